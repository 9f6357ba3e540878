"""What held-out scenes say of a run: every figure as a function of the scenes that are counted.

The truth of the stage comes first, which no judge can game; then what the judges say, which are optimised or not.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.scoring import Weights, total
from prismaudio.evaluation.metrics.bootstrap import Interval
from prismaudio.evaluation.metrics.onsets import Matches
from prismaudio.evaluation.metrics.paired import Chosen, holm, paired_means, paired_statistics

ROUNDS = 2000  # of the bootstrap

Record = dict[str, Any]  # of one scene, as `posttraining.truth.SceneTruth.record`, with its rewards


def onset_f1(scenes: Sequence[Record]) -> float:
    return Matches.pooled([Matches(**scene["onsets"]) for scene in scenes]).f1


def azimuth_error(scenes: Sequence[Record]) -> float:
    errors = [error for scene in scenes for error in scene["azimuth_errors"]]
    return float(np.mean(errors)) if errors else float("nan")


def mean_of(name: str) -> Callable[[Sequence[Record]], float]:
    return lambda scenes: float(np.mean([scene[name] for scene in scenes]))


def reward_of(name: str) -> Callable[[Sequence[Record]], float]:
    def mean(scenes: Sequence[Record]) -> float:
        known = [
            scene["rewards"][name] for scene in scenes if scene["rewards"][name] == scene["rewards"][name]
        ]
        return float(np.mean(known)) if known else float("nan")

    return mean


class Measure(NamedTuple):
    """One figure, and where it points."""

    of: Callable[[Sequence[Record]], float]
    better: int  # 1 up, -1 down


TRUTH = {
    "class chance": Measure(mean_of("class_chance"), 1),
    "onset F1": Measure(onset_f1, 1),
    "planted quality": Measure(mean_of("quality"), 1),
    "azimuth error": Measure(azimuth_error, -1),
}
JUDGES = {f"{name} reward": Measure(reward_of(name), 1) for name in DIMENSIONS}
MEASURES = TRUTH | JUDGES


class Change(NamedTuple):
    """Of one figure, over the same scenes of two runs."""

    before: float
    after: float
    difference: Interval
    p: float  # adjusted by Holm over the figures of its kind


def ahead(ours: Sequence[Record], theirs: Sequence[Record], weights: Mapping[str, float]) -> Interval:
    """By how much our weighted reward is above theirs, over the same scenes; of the rewards that could be given."""
    first, second = ([weighted(scene["rewards"], weights) for scene in scenes] for scenes in (theirs, ours))
    return paired_means(first, second, ROUNDS).interval


def weighted(rewards: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The weighted mean of the rewards that could be given; NaN if none could, as of a silent scene."""
    given = torch.tensor([rewards[name] for name in DIMENSIONS], dtype=torch.float64)
    return float(total(given, Weights(**weights)))


def read(run: Path, iteration: int) -> list[Record]:
    """Scenes of one examination of a run."""
    return json.loads((run / "eval" / f"{iteration:05d}" / "scenes.json").read_text(encoding="utf-8"))


def examined(run: Path) -> list[int]:
    """Iterations at which a run was examined, rising."""
    return sorted(int(folder.name) for folder in (run / "eval").iterdir() if folder.name.isdigit())


def changes(before: Sequence[Record], after: Sequence[Record], rounds: int = ROUNDS) -> dict[str, Change]:
    found = {}
    for kind in (TRUTH, JUDGES):
        compared = {name: _compare(measure, before, after, rounds) for name, measure in kind.items()}
        adjusted = holm([change.p for change in compared.values()])
        found |= {
            name: change._replace(p=p) for (name, change), p in zip(compared.items(), adjusted, strict=True)
        }
    return found


def _compare(measure: Measure, before: Sequence[Record], after: Sequence[Record], rounds: int) -> Change:
    def of(scenes: Sequence[Record]) -> Callable[[Chosen], float]:
        return lambda chosen: measure.of([scenes[int(number)] for number in chosen])

    found = paired_statistics(of(before), of(after), len(before), rounds)
    return Change(measure.of(before), measure.of(after), found.interval, found.p)
