"""The public path at the published size: the authors' files, name for name, to a video with sound.

The weights are drawn from names, as nobody here has the trained ones. 6 GB of disk, 9 GB of memory, minutes.
"""

import json
import resource
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import deterministic
import numpy as np
import pytest
import torch
from model_golden import GOLDEN
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks know how to make random encoders

from benchmarks.published_system import SIZES, fill_randomly, text_config
from test_synchformer_parity import VISUAL
from test_synchformer_parity import weight as synchformer_weight
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, VideoPrismVisionConfig

from prismaudio import VideoToAudio
from prismaudio.backends.pretrained import t5gemma, videoprism
from prismaudio.media.video import probe
from prismaudio.models.published import VAE_PREFIX
from prismaudio.stage.film import encode
from prismaudio.types import Frames

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc"),
]

GIB = 2**30
SECONDS = 9
STEPS = 2
MOST_MEMORY = 10 * GIB
# what must be held: transformer and Synchformer in half precision, the codec folded, eyes and planner
HELD_AFTER_LOADING = 2.2 * GIB
SIZE = SIZES["published"]
OTHER_CODEC = "vae.ckpt:"  # its weights are drawn from other names than those inside prismaudio.ckpt


def manifest(name: str) -> dict[str, torch.Size]:
    return {key: torch.Size(shape) for key, shape in json.loads((GOLDEN / name).read_text()).items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("published")
    write_generator(folder)
    write_synchformer(folder / "synchformer_state_dict.pth")
    write_videoprism(folder / "eyes")
    write_t5gemma(folder / "words")
    yield folder
    for path in sorted(
        folder.rglob("*"), reverse=True
    ):  # gigabytes, and pytest keeps the folders of three runs
        path.rmdir() if path.is_dir() else path.unlink()


def write_generator(folder: Path) -> None:
    shapes = manifest("published_shapes.json")
    torch.save(deterministic.state(shapes), folder / "prismaudio.ckpt")
    codec = {
        name.removeprefix(VAE_PREFIX): deterministic.weight(f"{OTHER_CODEC}{name}", shape)
        for name, shape in shapes.items()
        if name.startswith(VAE_PREFIX)
    }
    content = {f"autoencoder.{name}": tensor for name, tensor in codec.items()}
    foreign = {"discriminator.layers.0.weight": torch.ones(3), "autoencoder_ema.initted": torch.ones(1)}
    torch.save({"state_dict": content | foreign, "epoch": 3, "global_step": 7}, folder / "vae.ckpt")


def write_synchformer(path: Path) -> None:
    """The half that sees in full, and a little of what is not read."""
    shapes = manifest("synchformer_shapes.json")
    visual = {name: synchformer_weight(name, s) for name, s in shapes.items() if name.startswith(VISUAL)}
    foreign = [name for name in shapes if not name.startswith(VISUAL)][:5]
    torch.save(visual | {name: torch.ones(shapes[name]) for name in foreign}, path)


def write_videoprism(folder: Path) -> None:
    network = videoprism.build(VideoPrismVisionConfig(**SIZE.video), torch.bfloat16)
    fill_randomly(network, torch.bfloat16, torch.Generator().manual_seed(0)).save_pretrained(folder)


def write_t5gemma(folder: Path) -> None:
    network = t5gemma.build(text_config(SIZE), torch.bfloat16)
    fill_randomly(network, torch.bfloat16, torch.Generator().manual_seed(1)).save_pretrained(folder)
    vocabulary = {word: number for number, word in enumerate(("?", "a", "ball", "bounces", "on", "wood"))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?").save_pretrained(folder)


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    encode(folder / "clip.mp4", film(SECONDS, speed=3).images, (128, 96))
    return folder / "clip.mp4"


def film(seconds: float, speed: int) -> Frames:
    """Squares that go by."""
    squares = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    moving = [np.roll(squares, speed * number, axis=1) for number in range(round(25 * seconds))]
    return Frames(np.stack(moving), 25.0)


def load(folder: Path, **choices: object) -> VideoToAudio:
    encoders = {"video_encoder": str(folder / "eyes"), "text_encoder": str(folder / "words")}
    return VideoToAudio.from_pretrained(folder, device="cpu", **encoders, **choices)


def memory(kind: str) -> int:
    """Bytes of this process: "RssAnon" are its own, "VmHWM" the most it had, mapped files included."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith(kind)))


def test_the_authors_files_make_nine_seconds_of_sound(folder: Path, clip: Path):
    before = memory("RssAnon")
    pipeline = load(folder)
    held, maps = memory("RssAnon") - before, Path("/proc/self/maps").read_text()
    if pipeline.engine.dtype == torch.bfloat16:  # as the encoders' files: used where they lie
        assert held < HELD_AFTER_LOADING
        assert str(folder / "eyes" / "model.safetensors") in maps
        assert str(folder / "words" / "model.safetensors") in maps
    else:  # as the authors' files
        assert str(folder / "prismaudio.ckpt") in maps
    assert torch.equal(pipeline.codec.decoder[0].bias, other_codec_bias())

    made = pipeline(clip, steps=STEPS, seed=1)  # nothing is told: the planner looks too
    made.save(folder / "clip.sound.mp4")

    assert made.audio.samples.shape == (2, 44_100 * SECONDS)
    assert made.audio.samples.isfinite().all()
    assert made.audio.samples.std() > 1e-3
    written = probe(folder / "clip.sound.mp4")
    assert written.has_audio
    assert written.duration == pytest.approx(SECONDS, abs=0.05)
    assert peak_memory() < MOST_MEMORY
    what_moves_is_heard(pipeline)


def what_moves_is_heard(pipeline: VideoToAudio) -> None:
    """Films that differ for the sync encoder alone differ in sound, but not in that of the released program."""
    model = pipeline.model
    video = model.encoders.video
    blind = SimpleNamespace(
        name=video.name, view=video.view, dim=video.dim, encode=lambda frames: torch.zeros(4, video.dim)
    )
    for released in (False, True):
        watching = replace(model, encoders=model.encoders._replace(video=blind), released=released)
        still, moving = (sound(VideoToAudio(watching, pipeline.engine), film(1, speed)) for speed in (0, 7))
        assert torch.equal(still, moving) == released


def test_the_release_can_be_reproduced_at_full_size(folder: Path):
    pipeline = load(folder, reproduce_release=True)
    assert str(folder / "prismaudio.ckpt") in Path("/proc/self/maps").read_text()  # float32 as in the file
    samples = sound(pipeline, film(1, speed=3))
    assert samples.shape == (2, 2048 * 22)  # of whole latent frames, nothing cut
    assert samples.abs().max().item() == pytest.approx(1, abs=1e-4)
    assert peak_memory() < MOST_MEMORY


def sound(pipeline: VideoToAudio, shown: Frames) -> Tensor:
    return pipeline(shown, caption="a ball bounces on wood", steps=1, seed=1).audio.samples


def other_codec_bias() -> Tensor:
    return deterministic.weight(f"{OTHER_CODEC}{VAE_PREFIX}decoder.layers.0.bias", torch.Size([2048]))


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
