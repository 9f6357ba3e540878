"""Compare planners on held-out scenes of the stage: what they write of a picture, against what happens in it.

Every scene is rendered and watched once, and all planners write about what was seen. The 95 % intervals are over scenes.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field, PositiveInt
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.metrics.bootstrap import bootstrap
from prismaudio.evaluation.metrics.onsets import TOLERANCE, Matches
from prismaudio.evaluation.metrics.plans import SAME, PlanScores, score_plan
from prismaudio.evaluation.planner_report import PlannerReport, PlannersReport
from prismaudio.evaluation.report import Measures
from prismaudio.generation.pictures import FramesFilm
from prismaudio.generation.watch import Eyes, Seen, measured, watch
from prismaudio.planning.base import Planner, PlanRequest, frames_of
from prismaudio.planning.embedded import EmbeddedPlanner
from prismaudio.stage.corpus import Corpus, Split
from prismaudio.stage.render import FPS, Theatre
from prismaudio.stage.scene import StageConfig, draw_scene
from prismaudio.types import Frames

PICTURE_SIZE = (320, 224)
CLIP = 9.0  # seconds of film for which times are told


class PlannersConfig(Config):
    """Which scenes, and how sure the figures are."""

    count: int = Field(300, ge=2)
    seed: int = 2025
    split: Split = "test"
    bootstrap_rounds: PositiveInt = 1000
    stage: StageConfig = StageConfig()


class SceneScores(NamedTuple):
    """One plan and the scene that it is about."""

    plan: PlanScores
    camera_moves: bool


@dataclass
class Tally:
    """A planner on its way through the scenes."""

    scores: list[SceneScores] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0


def compare_planners(
    planners: Sequence[Planner],
    corpus: Corpus,
    eyes: Eyes,
    perception: EmbeddedPlanner,
    config: PlannersConfig | None = None,
) -> PlannersReport:
    """Let every planner write about the same scenes, told what `perception` measured in them.

    One that raises a `PrismAudioError` wrote an empty plan.
    """
    config = config or PlannersConfig()
    tallies = [Tally() for _ in planners]
    watching = footage = 0.0
    for scene in tqdm(watched_scenes(corpus, eyes, config), total=config.count):
        watching, footage = watching + scene.seconds, footage + scene.truth.duration
        for planner, tally in zip(planners, tallies, strict=True):
            _let_write(planner, tally, scene, perception)
    return PlannersReport(
        planners=tuple(
            PlannerReport(
                name=planner.name,
                measures=summarise(tally.scores, config),
                scenes=len(tally.scores),
                camera_moves=sum(scene.camera_moves for scene in tally.scores),
                seconds_per_clip=tally.seconds / footage * CLIP,
                failures=tally.failures,
            )
            for planner, tally in zip(planners, tallies, strict=True)
        ),
        watching_seconds_per_clip=watching / footage * CLIP,
        settings={
            **config.model_dump(mode="json"),
            "onset_tolerance_s": TOLERANCE,
            "same_event": SAME,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
    )


class WatchedScene(NamedTuple):
    """One scene, as all planners are shown it."""

    number: int
    truth: Plan
    frames: Frames
    seen: Seen
    camera_moves: bool
    seconds: float  # that watching took


def watched_scenes(corpus: Corpus, eyes: Eyes, config: PlannersConfig) -> Iterator[WatchedScene]:
    """One at a time."""
    for index in range(config.count):
        scene = draw_scene(config.seed, index, config.split, corpus, config.stage)
        theatre = Theatre(scene, *PICTURE_SIZE)
        pictures = np.stack([theatre.picture(k / FPS) for k in range(round(scene.duration * FPS))])
        frames = Frames(pictures, FPS)
        start = time.perf_counter()
        seen = watch(FramesFilm(frames), eyes, scene.duration, lambda share: None)
        seconds = time.perf_counter() - start
        yield WatchedScene(index, scene.plan(corpus), frames, seen, theatre.camera_moves, seconds)


def _let_write(planner: Planner, tally: Tally, scene: WatchedScene, perception: EmbeddedPlanner) -> None:
    start = time.perf_counter()
    duration = scene.truth.duration
    try:
        plan = planner.plan(
            PlanRequest(
                duration=duration,
                frames=frames_of(scene.frames, duration),
                evidence=measured(perception, scene.seen, duration) if planner.measures else None,
                seed=scene.number,
            )
        )
    except PrismAudioError as error:
        plan = Plan(duration=duration)
        tally.failures[scene.number] = str(error)
    tally.seconds += time.perf_counter() - start
    tally.scores.append(SceneScores(score_plan(plan, scene.truth), scene.camera_moves))


def summarise(scenes: Sequence[SceneScores], config: PlannersConfig) -> dict[str, Measures]:
    """The figures of one planner: of all scenes, and of those with and without camera motion."""
    parts = {
        "all": scenes,
        "camera still": [scene for scene in scenes if not scene.camera_moves],
        "camera moves": [scene for scene in scenes if scene.camera_moves],
    }
    return {
        part: {
            name: bootstrap([scene.plan for scene in some], statistic, config.bootstrap_rounds, config.seed)
            for name, statistic in STATISTICS.items()
        }
        for part, some in parts.items()
    }


def onset_f1(plans: Sequence[PlanScores]) -> float:
    return Matches.pooled([plan.onsets for plan in plans]).f1


def onset_f1_with_unseen(plans: Sequence[PlanScores]) -> float:
    return Matches.pooled([plan.all_onsets for plan in plans]).f1


def same_events_f1(plans: Sequence[PlanScores]) -> float:
    return Matches.pooled([plan.events for plan in plans]).f1


def top1(plans: Sequence[PlanScores]) -> float:
    return _share([right for plan in plans for right in plan.named])


def top5(plans: Sequence[PlanScores]) -> float:
    if any(plan.among_five is None for plan in plans):
        return float("nan")
    return _share([right for plan in plans for right in plan.among_five or ()])


def median_azimuth_error(plans: Sequence[PlanScores]) -> float:
    errors = [error for plan in plans for error in plan.azimuth_errors]
    return float(np.median(errors)) if errors else float("nan")


def share_valid(plans: Sequence[PlanScores]) -> float:
    return _share([plan.valid for plan in plans])


def _share(right: Sequence[bool]) -> float:
    return float(np.mean(right)) if right else float("nan")


STATISTICS: Mapping[str, Callable[[Sequence[PlanScores]], float]] = {
    "event F1": onset_f1,
    "with unseen": onset_f1_with_unseen,
    "same events": same_events_f1,
    "class top-1": top1,
    "class top-5": top5,
    "azimuth error": median_azimuth_error,
    "valid": share_valid,
}
