"""Prompts for post-training from the stage: scenes of one length, whose truth is known.

Shapes: N samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.dimensions.arms import Arm
from prismaudio.generation.judging import views_of
from prismaudio.generation.long import Layout
from prismaudio.generation.model import Clip, Model, Wording
from prismaudio.generation.pictures import FramesFilm
from prismaudio.media.preprocess import View
from prismaudio.posttraining.dit_policy import Told
from prismaudio.posttraining.prompts import Prompt, check_settings, is_kept, keep, recall
from prismaudio.stage.corpus import SAMPLE_RATE, Corpus, Split
from prismaudio.stage.mix import mix
from prismaudio.stage.render import FPS, render
from prismaudio.stage.scene import Scene, StageConfig, draw_scene
from prismaudio.types import Audio

PICTURE_SIZE = (320, 224)


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

    @property
    def duration(self) -> float:
        """Seconds of every scene: `seconds` in whole pictures."""
        return round(self.seconds * FPS) / FPS

    def scene(self, number: int, corpus: Corpus) -> Scene:
        """Scene `number`, of the length of all."""
        stage = self.stage.model_copy(update={"shortest": self.seconds, "longest": self.seconds})
        scene = draw_scene(self.seed, number, self.split, corpus, stage)
        return replace(scene, quality=1.0, flaws=()) if self.clean else scene


@dataclass(frozen=True, eq=False)
class StagePrompt(Prompt):
    """A scene, whose true sound is known."""

    samples: Tensor  # (2, N) half precision

    @property
    def sound(self) -> Audio:
        """The scene's own."""
        return Audio(self.samples.float(), SAMPLE_RATE)


def prepare_prompts(
    folder: Path, config: StagePromptsConfig, model: Model, views: Sequence[View], corpus: Corpus
) -> list[StagePrompt]:
    """Those of `folder`, whose number may grow; what is missing is prepared first, so an interrupted preparation goes on.

    views: in which judges want to see the films.
    """
    check_settings(
        folder, f"scenes {config.model_dump_json(exclude={'count', 'arm'}, exclude_none=True)}", model, views
    )
    missing = [number for number in range(config.count) if not is_kept(folder, _name(number))]
    for number in tqdm(missing, desc=f"prompts of {config.split}", disable=None if missing else True):
        keep(folder, _name(number), _prompt(config.scene(number, corpus), model, views, corpus))
    return [
        recall(StagePrompt, folder, _name(number), views, Wording(arm=config.arm, seed=number))
        for number in range(config.count)
    ]


def _prompt(scene: Scene, model: Model, views: Sequence[View], corpus: Corpus) -> StagePrompt:
    film = FramesFilm(render(scene, *PICTURE_SIZE))
    clip = Clip(scene.duration, Layout.covering(model.frames(scene.duration)), measuring=False)
    return StagePrompt(
        told=Told(scene.plan(corpus), model.watch(film, clip, lambda share: None)),
        views=views_of(film, views, scene.duration),
        samples=torch.from_numpy(mix(scene)).half(),
    )


def _name(number: int) -> str:
    return f"{number:05d}"
