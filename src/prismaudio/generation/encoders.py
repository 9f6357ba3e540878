"""The three encoders of the published model: where each is found, and in which numbers it runs."""

from pathlib import Path
from typing import NamedTuple

from prismaudio.backends.pretrained.hub import resolve
from prismaudio.errors import PrismAudioError
from prismaudio.generation.engine import Engine
from prismaudio.generation.fit import Fit
from prismaudio.generation.placing import placed
from prismaudio.generation.published import Encoders
from prismaudio.stages import Progress
from prismaudio.weights.folder import PublishedFiles
from prismaudio.weights.sources import T5GEMMA, VIDEOPRISM, Source

ANY_FORMAT = (
    "*.npz",
    "config.json",
    "model*.safetensors",
    "model*.json",
)  # of another repository than the usual


class MissingEncoder(PrismAudioError):
    """A folder of the published model without the weights of an encoder that is nowhere else."""


class Sources(NamedTuple):
    """Folders or hub models of the encoders; None: beside the model, else where they are published."""

    video: str | None = None
    text: str | None = None
    progress: Progress | None = None  # hears of downloads


def load_encoders(found: PublishedFiles, engine: Engine, fit: Fit, sources: Sources) -> Encoders:
    """All three, where they run or wait to run."""
    from prismaudio.backends.pretrained.synchformer import SynchformerEncoder
    from prismaudio.backends.pretrained.t5gemma import T5GemmaEncoder
    from prismaudio.backends.pretrained.videoprism import VideoPrismEncoder

    if found.synchformer is None:
        raise MissingEncoder(
            f"{found.folder} holds no Synchformer; put synchformer_state_dict.pth there, "
            "or run `prismaudio download` again"
        )
    video = fetched(VIDEOPRISM, sources.video or found.videoprism, sources.progress)
    text = fetched(T5GEMMA, sources.text or found.t5gemma, sources.progress)
    homes = [fit.home(stage, engine.device) for stage in ("vision", "sync", "text")]
    seen = VideoPrismEncoder.from_pretrained(video, engine.dtype, homes[0])
    sync = SynchformerEncoder.from_pretrained(found.synchformer, engine.dtype, homes[1])
    read = T5GemmaEncoder.from_pretrained(text, engine.dtype, homes[2])
    if fit.work is None:
        return Encoders(seen, sync, read)
    seen.logits_at_once, sync.segments_per_batch = fit.work.vision, fit.work.sync
    return placed(seen, sync, read, fit.placement)


def fetched(source: Source, place: str | Path | None, progress: Progress | None) -> Path:
    """The folder, or the .npz, of an encoder, downloaded if it is on the hub and not here yet."""
    if place is not None and Path(place).suffix == ".npz":
        return Path(place)
    return resolve(place or source.repo, (), (*source.wanted, *source.optional, *ANY_FORMAT), progress)
