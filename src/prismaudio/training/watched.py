"""Stage scenes as a planner sees them, with the plan it should write: watched once and kept on disk.

Half of them are shown finely and half coarsely, so that the grain of a picture tells nothing.

Shapes: K motion frames at 25 fps, P pictures at `PICTURES_FPS`, C columns of them, F image features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.backends.embedded.vision import PLACES_SIZE, ImageNetwork
from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan
from prismaudio.media.preprocess import View
from prismaudio.planning.base import seen_through
from prismaudio.stage.corpus import Corpus, Split
from prismaudio.stage.render import FPS, Theatre
from prismaudio.stage.scene import StageConfig, draw_scene
from prismaudio.training.pool import prepare_missing
from prismaudio.types import Frames

PICTURES_FPS = 1.0  # half of what a planner looks at: pictures cost most of the time, and things stay a while
CROPS = (60, 100, 140, 180, 220)  # frames
MOTION_VIEW = View(MotionEncoder.fps, *MotionEncoder.frame_size, fit="stretch")


class WatchedConfig(Config):
    """How many scenes are watched."""

    count: PositiveInt = 2400
    seed: NonNegativeInt = 31
    stage: StageConfig = StageConfig()


@dataclass(frozen=True)
class WatchedScene:
    """What a planner is given, and the truth."""

    plan: Plan
    motion: Tensor  # (K, 36) half precision
    columns: Tensor  # (P, C, F) half precision
    camera_moves: bool


def watch_scene(
    index: int, split: Split, corpus: Corpus, config: WatchedConfig, network: ImageNetwork
) -> WatchedScene:
    """Render scene `index` and perceive it."""
    scene = draw_scene(config.seed, index, split, corpus, config.stage)
    film = Theatre(scene, *(PLACES_SIZE if index % 2 == 0 else MotionEncoder.frame_size))
    frames = Frames(np.stack([film.picture(k / FPS) for k in range(round(scene.duration * FPS))]), FPS)
    fine = Theatre(scene, *PLACES_SIZE)
    moments = (np.arange(max(1, int(scene.duration * PICTURES_FPS))) + 0.5) / PICTURES_FPS
    pictures = np.stack([fine.picture(min(t, scene.duration - 1 / FPS)) for t in moments])
    return WatchedScene(
        plan=scene.plan(corpus),
        motion=MotionEncoder().encode(seen_through(MOTION_VIEW, frames, scene.duration)).half(),
        columns=network.columns(Frames(pictures, PICTURES_FPS)).half(),
        camera_moves=film.camera_moves,
    )


def watch_scenes(folder: Path, corpus: Corpus, config: WatchedConfig, split: Split) -> None:
    """Write `folder/00000.pt` and on; scenes that are there already are kept, so an interrupted run goes on."""
    network = ImageNetwork()

    def state_of(index: int) -> dict[str, Any]:
        scene = watch_scene(index, split, corpus, config, network)
        return {
            "plan": scene.plan.model_dump_json(),
            "motion": scene.motion,
            "columns": scene.columns,
            "camera_moves": scene.camera_moves,
        }

    prepare_missing(folder, config.count, f"watching {split} scenes", state_of)


def load_watched(files: Sequence[Path]) -> list[WatchedScene]:
    """The scenes of `files`, all in memory."""
    return [_load(path) for path in files]


def _load(path: Path) -> WatchedScene:
    state = torch.load(path, weights_only=True)
    return WatchedScene(
        plan=Plan.model_validate_json(state["plan"]),
        motion=state["motion"],
        columns=state["columns"],
        camera_moves=state["camera_moves"],
    )


class Crop(NamedTuple):
    """A stretch of a scene, and the chance that goes with it."""

    scene: int
    start: int  # frame
    frames: int
    rng: np.random.Generator


class Crops:
    """Stretches that begin and end anywhere, as clips of the real world do. Crop i is a function of (seed, i).

    Those of one batch are of one length: nothing is padded, for networks that normalise over all of a clip.
    """

    def __init__(self, scenes: Sequence[WatchedScene], batch_size: int, seed: int) -> None:
        self.lengths = [len(scene.motion) for scene in scenes]
        self.scenes = {k: [i for i, n in enumerate(self.lengths) if n >= k] for k in CROPS}
        self.possible = [k for k in CROPS if self.scenes[k]]
        self.batch_size, self.seed = batch_size, seed

    def draw(self, index: int) -> Crop:
        batch = np.random.default_rng((self.seed, index // self.batch_size, 1))
        frames = int(batch.choice(self.possible))
        rng = np.random.default_rng((self.seed, index))
        scene = int(rng.choice(self.scenes[frames]))
        return Crop(scene, int(rng.integers(self.lengths[scene] - frames + 1)), frames, rng)
