"""The three encoders of the published model: where each is found, and in which numbers it runs."""


from prismaudio.errors import PrismAudioError
from prismaudio.generation.engine import Engine
from prismaudio.generation.fit import Fit
from prismaudio.generation.placing import placed
from prismaudio.generation.published import Encoders
from prismaudio.generation.sources import T5GEMMA, VIDEOPRISM
from prismaudio.generation.weights import PublishedFiles


class MissingEncoder(PrismAudioError):
    """A folder of the published model without the weights of an encoder that is nowhere else."""


def load_encoders(
    found: PublishedFiles, engine: Engine, fit: Fit, video: str | None = None, text: str | None = None
) -> Encoders:
    """`video` and `text` name a folder or a hub model; default: beside the model, else where they are published."""
    from prismaudio.backends.pretrained.synchformer import SynchformerEncoder
    from prismaudio.backends.pretrained.t5gemma import T5GemmaEncoder
    from prismaudio.backends.pretrained.videoprism import VideoPrismEncoder

    if found.synchformer is None:
        raise MissingEncoder(
            f"{found.folder} holds no Synchformer; put synchformer_state_dict.pth there, "
            "or run `prismaudio download` again"
        )
    seen = VideoPrismEncoder.from_pretrained(
        video or found.videoprism or VIDEOPRISM.repo, engine.dtype, fit.home("vision", engine.device)
    )
    sync = SynchformerEncoder.from_pretrained(
        found.synchformer, engine.dtype, fit.home("sync", engine.device)
    )
    read = T5GemmaEncoder.from_pretrained(
        text or found.t5gemma or T5GEMMA.repo, engine.dtype, fit.home("text", engine.device)
    )
    if fit.work is None:
        return Encoders(seen, sync, read)
    seen.logits_at_once, sync.segments_per_batch = fit.work.vision, fit.work.sync
    return placed(seen, sync, read, fit.placement)
