"""How a run went: rewards and what they cost, over iterations, and when a reward was reached."""

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.arms import Result
from experiments.measures import weighted
from prismaudio.dimensions.plan import DIMENSIONS

SMOOTHED = 5  # iterations whose mean is taken


def total(result: Result) -> list[float]:
    """The weighted mean of the rewards at every iteration, of those that could be given."""
    weights = result.settings.training.rewards
    return [weighted({name: line[f"{name}/mean"] for name in DIMENSIONS}, weights) for line in result.rewards]


def seconds(result: Result) -> list[float]:
    """That every iteration took, without examinations."""
    return [line["sampling"] + line["judging"] + line["learning"] for line in result.seconds]


def evaluations(result: Result) -> list[float]:
    """Of the network, by sampling in every iteration."""
    sounds = result.settings.training.prompts * result.settings.training.group
    return [line["evaluations_per_sound"] * sounds for line in result.rewards]


def smoothed(values: Sequence[float]) -> list[float]:
    """Means over the last few."""
    return [float(np.nanmean(values[max(0, k + 1 - SMOOTHED) : k + 1])) for k in range(len(values))]


def examined_at(result: Result, weights: Mapping[str, float] | None = None) -> list[tuple[int, float]]:
    """(iteration, weighted reward of the held-out scenes), rising in iterations from 0; default: the arm's weights"""
    weights = weights or result.settings.training.rewards
    return [(int(seen["iteration"]), weighted(seen, weights)) for seen in result.examinations]


def seconds_to(result: Result, reward: float, weights: Mapping[str, float]) -> float | None:
    """When held-out scenes had this reward, straight between examinations; None if they never had."""
    taken = [0.0, *np.cumsum(seconds(result))]
    before: tuple[float, float] | None = None
    for iteration, seen in examined_at(result, weights):
        now = (float(taken[iteration]), seen)
        if seen >= reward:
            return (
                now[0] if before is None else float(np.interp(reward, [before[1], seen], [before[0], now[0]]))
            )
        before = now
    return None
