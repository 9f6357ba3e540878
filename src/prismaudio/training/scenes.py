"""Stage scenes made ready for training: what the encoders see and the codec hears, rendered once and kept on disk.

Rendering and perceiving a scene takes a third of a second, a training step less; so a pool of scenes is prepared first
(any number of processes may share the work) and drawn from for as long as training lasts.

Shapes: K motion frames, V pictures, M mel bands, T latent frames, C columns of the picture, F image features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.backends.embedded.vision import ImageNetwork
from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan
from prismaudio.models.mel_codec import FRAMES_PER_LATENT, MelStereoCodec
from prismaudio.models.stereo import analyse
from prismaudio.stage.corpus import Corpus, Split
from prismaudio.stage.mix import mix
from prismaudio.stage.render import FPS, render
from prismaudio.stage.scene import StageConfig, draw_scene
from prismaudio.training.pool import prepare_missing
from prismaudio.types import Frames

LONG_SCENES = StageConfig(shortest=9.04, longest=9.04)


class PoolConfig(Config):
    """How many scenes are prepared, and how."""

    count: PositiveInt = 2000
    takes: PositiveInt = 2
    seed: NonNegativeInt = 11
    picture_fps: PositiveFloat = 2.0
    stage: StageConfig = LONG_SCENES


@dataclass(frozen=True)
class PreparedScene:
    """One scene as tensors; half precision."""

    plan: Plan
    motion: Tensor  # (K, 36)
    pictures: Tensor  # (V, C, F) at `picture_fps`
    mels: tuple[Tensor, ...]  # per take (M, 4 T)
    images: tuple[Tensor, ...]  # per take: stereo image (17, T)


def prepare_scene(
    index: int, split: Split, corpus: Corpus, config: PoolConfig, network: ImageNetwork
) -> PreparedScene:
    """Render scene `index` and perceive it."""
    scene = draw_scene(config.seed, index, split, corpus, config.stage)
    frames = render(scene)
    sounds = [
        mix(draw_scene(config.seed, index, split, corpus, config.stage, take)) for take in range(config.takes)
    ]
    codec = MelStereoCodec(
        encoder_blocks=0, decoder_blocks=0
    )  # only its spectra are used here, not its network
    heard = [perceive_sound(codec, torch.from_numpy(sound)) for sound in sounds]
    every = round(FPS / config.picture_fps)
    pictures = network.columns(Frames(frames.images[::every], config.picture_fps))
    return PreparedScene(
        plan=scene.plan(corpus),
        motion=MotionEncoder().encode(frames).half(),
        pictures=pictures.half(),
        mels=tuple(mel for mel, _ in heard),
        images=tuple(image for _, image in heard),
    )


@torch.no_grad()
def perceive_sound(codec: MelStereoCodec, sound: Tensor) -> tuple[Tensor, Tensor]:
    """sound: (2, N) -> log-mel (M, 4 T) and stereo image (17, T), half precision."""
    spectrum = codec.spectrum(sound[None])
    image = analyse(spectrum, codec.sample_rate, FRAMES_PER_LATENT).stacked()
    return codec.mel(spectrum)[0].half(), image[0].half()


def prepare_pool(folder: Path, corpus: Corpus, config: PoolConfig, split: Split = "train") -> None:
    """Write `folder/00000.pt` and on; scenes that are there already are kept, so an interrupted run goes on."""
    network = ImageNetwork()

    def state_of(index: int) -> dict[str, Any]:
        scene = prepare_scene(index, split, corpus, config, network)
        return {
            "plan": scene.plan.model_dump_json(),
            "motion": scene.motion,
            "pictures": scene.pictures,
            "mels": list(scene.mels),
            "images": list(scene.images),
        }

    prepare_missing(folder, config.count, f"preparing {split} scenes", state_of)


def load_scene(path: Path) -> PreparedScene:
    state = torch.load(path, weights_only=True)
    return PreparedScene(
        plan=Plan.model_validate_json(state["plan"]),
        motion=state["motion"],
        pictures=state["pictures"],
        mels=tuple(state["mels"]),
        images=tuple(state["images"]),
    )


def scene_files(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("[0-9]*.pt"))


def uniform(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return int(rng.integers(low, high + 1))
