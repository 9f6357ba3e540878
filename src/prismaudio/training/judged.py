"""Stage scenes as judges meet them: motion, what is heard of one or more takes, and the truth; kept on disk.

Every take after the first has other recordings and another quality, so that neither goes with the picture.

Shapes: V motion frames at 25 Hz, D motion features, M mel bands, K mel frames at 100 Hz.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.config import Config
from prismaudio.dimensions.aesthetic import Flaw
from prismaudio.dimensions.plan import Plan
from prismaudio.models.hearing import hear
from prismaudio.stage.corpus import Corpus, Split
from prismaudio.stage.mix import mix
from prismaudio.stage.render import render
from prismaudio.stage.scene import FLAWS, Scene, StageConfig, draw_scene
from prismaudio.training.pool import prepare_missing


class JudgedConfig(Config):
    """How many scenes, and how they are drawn."""

    count: PositiveInt = 2400
    takes: PositiveInt = 2
    seed: NonNegativeInt = 53
    stage: StageConfig = StageConfig(shortest=4.0)


@dataclass(frozen=True)
class Take:
    """One sound of a scene."""

    mel: Tensor  # (M, K) half precision
    marks: Tensor  # (4,)
    quality: float  # planted: 1 where nothing was damaged


@dataclass(frozen=True)
class JudgedScene:
    """A scene with its sounds."""

    plan: Plan
    motion: Tensor  # (V, D) half precision
    takes: tuple[Take, ...]


def judged_scene(index: int, split: Split, corpus: Corpus, config: JudgedConfig) -> JudgedScene:
    """Render scene `index` and perceive it."""
    scene = draw_scene(config.seed, index, split, corpus, config.stage)
    takes = []
    for number in range(config.takes):
        performed = draw_scene(config.seed, index, split, corpus, config.stage, number)
        performed = other_quality(performed, (config.seed, index, number)) if number else performed
        heard = hear(torch.from_numpy(mix(performed))[None])
        takes.append(Take(heard.mel[0].half(), heard.marks[0], planted(performed)))
    return JudgedScene(scene.plan(corpus), MotionEncoder().encode(render(scene)).half(), tuple(takes))


def planted(scene: Scene) -> float:
    """The quality that can be heard: a scene without flaws is clean, whatever number it drew."""
    return scene.quality if scene.flaws else 1.0


def other_quality(scene: Scene, seed: Sequence[int]) -> Scene:
    """The scene as another machine would have recorded it: evenly from ruined to clean, one flaw or two, or none."""
    quality, flaws = drawn_damage(np.random.default_rng((*seed, 6)))
    return replace(scene, quality=quality, flaws=flaws)


def drawn_damage(rng: np.random.Generator) -> tuple[float, tuple[Flaw, ...]]:
    """-> quality, and the flaws that make it so"""
    quality = float(rng.uniform(0, 1.15))
    if quality >= 1:
        return 1.0, ()
    chosen = rng.choice(FLAWS, size=1 if quality > 0.4 else 2, replace=False)
    return quality, cast(tuple[Flaw, ...], tuple(str(flaw) for flaw in chosen))


def prepare_judged(folder: Path, corpus: Corpus, config: JudgedConfig, split: Split) -> None:
    """Write `folder/00000.pt` and on; scenes that are there already are kept, so an interrupted run goes on."""

    def state_of(index: int) -> dict[str, Any]:
        scene = judged_scene(index, split, corpus, config)
        return {
            "plan": scene.plan.model_dump_json(),
            "motion": scene.motion,
            "takes": [{"mel": t.mel, "marks": t.marks, "quality": t.quality} for t in scene.takes],
        }

    prepare_missing(folder, config.count, f"judging {split} scenes", state_of)


def load_judged(files: Sequence[Path]) -> Iterator[JudgedScene]:
    for path in files:
        state = torch.load(path, weights_only=True)
        yield JudgedScene(
            plan=Plan.model_validate_json(state["plan"]),
            motion=state["motion"],
            takes=tuple(Take(**take) for take in state["takes"]),
        )
