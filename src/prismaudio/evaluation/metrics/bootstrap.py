"""How sure a figure is: the percentile bootstrap over independent scenes."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")


class Interval(NamedTuple):
    """A figure and the range that would hold the true one 95 times in 100; nan where nothing could be measured."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(
    scenes: Sequence[T],
    statistic: Callable[[Sequence[T]], float],
    rounds: int = 1000,
    seed: int = 0,
    share: float = 0.95,
) -> Interval:
    """`statistic` of all scenes, and its range over scenes drawn again with replacement.

    Rounds in which the statistic is undefined (nan) do not count.
    """
    if not scenes:
        return Interval(np.nan, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(scenes), size=(rounds, len(scenes)))
    values = np.array([statistic([scenes[i] for i in draw]) for draw in draws])
    known = values[~np.isnan(values)]
    if not len(known):
        return Interval(statistic(scenes), np.nan, np.nan)
    low, high = np.quantile(known, [(1 - share) / 2, (1 + share) / 2])
    return Interval(statistic(scenes), float(low), float(high))
