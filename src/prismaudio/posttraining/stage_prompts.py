"""Prompts for post-training: stage scenes of one length, watched by the generator and by its judges once, kept on disk.

Shapes: N samples.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor
from tqdm import tqdm

from prismaudio.backends.base import Sounds
from prismaudio.backends.content_cache import StoredFrames, film_digest
from prismaudio.backends.embedded.recogniser import Looks
from prismaudio.config import Config
from prismaudio.dimensions.arms import Arm
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.rewards import Case
from prismaudio.errors import PrismAudioError
from prismaudio.generation import published
from prismaudio.generation.judging import levelled
from prismaudio.generation.long import Layout
from prismaudio.generation.model import Clip, Model, Wording
from prismaudio.generation.pictures import FramesFilm
from prismaudio.generation.watch import Seen
from prismaudio.media.preprocess import View
from prismaudio.planning.base import seen_through
from prismaudio.posttraining.dit_policy import Told
from prismaudio.stage.corpus import SAMPLE_RATE, Corpus, Split
from prismaudio.stage.mix import mix
from prismaudio.stage.render import render
from prismaudio.stage.scene import Scene, StageConfig, draw_scene
from prismaudio.training.pool import save_whole
from prismaudio.types import Audio, Frames

PICTURE_SIZE = (320, 224)
SETTINGS = "settings.toml"
SEEN: list[Any] = [Seen, Looks, published.Watched, published.Heard]  # what models make of a film


class OtherPrompts(PrismAudioError):
    """A folder of prompts that were prepared for something else."""


class StagePromptsConfig(Config):
    """Which scenes are prompts."""

    count: PositiveInt = 96
    seconds: float = Field(9.0, gt=1, le=9, description="of every scene; one window of the model")
    seed: NonNegativeInt = 71
    split: Split = "train"
    clean: bool = Field(
        True, description="ask for a clean recording, as planners do, whatever the scene's own flaws"
    )
    arm: Arm = Field(Arm.DECOMPOSED, description="how much of the thoughts the generator is told")
    stage: StageConfig = StageConfig()

    def scene(self, number: int, corpus: Corpus) -> Scene:
        """Scene `number`, of the length of all."""
        stage = self.stage.model_copy(update={"shortest": self.seconds, "longest": self.seconds})
        scene = draw_scene(self.seed, number, self.split, corpus, stage)
        return replace(scene, quality=1.0, flaws=()) if self.clean else scene


@dataclass(frozen=True, eq=False)
class StagePrompt:
    """A scene: what the generator is told, what judges see, and the truth."""

    told: Told
    views: Mapping[View, Frames]
    samples: Tensor  # (2, N) half precision, the scene's own sound
    struck_only: bool

    @property
    def plan(self) -> Plan:
        return self.told.plan

    @property
    def sound(self) -> Audio:
        """The scene's own."""
        return Audio(self.samples.float(), SAMPLE_RATE)

    def case(self) -> Case:
        """What its sounds are judged by."""
        return Case(self.plan, self.views, self.reference())

    def reference(self) -> Sounds:
        return levelled([self.sound])


def prepare_prompts(
    folder: Path, config: StagePromptsConfig, model: Model, views: Sequence[View], corpus: Corpus
) -> list[StagePrompt]:
    """Those of `folder`; what is missing is prepared first, so an interrupted preparation goes on.

    views: in which judges want to see the films.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_settings(folder, config, model, views)
    missing = [number for number in range(config.count) if not _path(folder, number).exists()]
    for number in tqdm(missing, desc=f"prompts of {config.split}", disable=None if missing else True):
        _prepare(folder, number, config.scene(number, corpus), model, views, corpus)
    return [_load(folder, number, views, config.arm) for number in range(config.count)]


def _check_settings(folder: Path, config: StagePromptsConfig, model: Model, views: Sequence[View]) -> None:
    """A folder holds prompts of one kind; their number may grow."""
    kind = config.model_dump_json(exclude={"count", "arm"}, exclude_none=True)
    wanted = (
        f"scenes {kind}\nwatched by {sorted(model.backends().items())}\nshown to judges in {list(views)}\n"
    )
    path = folder / SETTINGS
    if not path.exists():
        path.write_text(wanted, encoding="utf-8")
    if path.read_text(encoding="utf-8") != wanted:
        raise OtherPrompts(
            f"{folder} holds prompts of other settings, or for another model or other judges; "
            "delete it or choose another folder"
        )


def _prepare(
    folder: Path, number: int, scene: Scene, model: Model, views: Sequence[View], corpus: Corpus
) -> None:
    frames = render(scene, *PICTURE_SIZE)
    films = []
    for place, view in enumerate(views):
        shown = seen_through(view, frames, scene.duration)
        films.append({"fps": shown.fps, "digest": film_digest(shown)})
        _write_array(_film_path(folder, number, place), shown.images)
    clip = Clip(scene.duration, Layout.covering(model.frames(scene.duration)), measuring=False)
    state = {
        "plan": scene.plan(corpus).model_dump_json(),
        "seen": model.watch(FramesFilm(frames), clip, lambda share: None),
        "sound": torch.from_numpy(mix(scene)).half(),
        "struck_only": all(source.mode == "struck" for source in scene.sources),
        "films": films,
    }
    save_whole(_path(folder, number), state)


def _load(folder: Path, number: int, views: Sequence[View], arm: Arm) -> StagePrompt:
    """Films stay on disk until somebody looks at them."""
    with torch.serialization.safe_globals(SEEN):
        state = torch.load(_path(folder, number), weights_only=True)
    return StagePrompt(
        told=Told(Plan.model_validate_json(state["plan"]), state["seen"], Wording(arm=arm, seed=number)),
        views={
            view: StoredFrames(
                np.load(_film_path(folder, number, place), mmap_mode="r"), film["fps"], film["digest"]
            )
            for place, (view, film) in enumerate(zip(views, state["films"], strict=True))
        },
        samples=state["sound"],
        struck_only=state["struck_only"],
    )


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.pt"


def _film_path(folder: Path, number: int, place: int) -> Path:
    return folder / f"{number:05d}.film{place}.npy"


def _write_array(path: Path, images: NDArray[np.uint8]) -> None:
    beside = path.with_suffix(f".{os.getpid()}.partial")
    with beside.open("wb") as file:
        np.save(file, images)
    beside.replace(path)
