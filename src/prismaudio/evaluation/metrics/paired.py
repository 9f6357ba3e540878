"""Whether one system beats another: the same clips of both, drawn again together, and what that says of the difference.

Shapes: N clips.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prismaudio.evaluation.metrics.bootstrap import Interval

ROUNDS = 10_000
AT_ONCE = 1 << 22  # numbers drawn at a time, to keep memory small
Chosen = NDArray[np.intp]  # (N,) numbers of clips
Statistic = Callable[[Chosen], float]


class Difference(NamedTuple):
    """The second minus the first, over `clips` that both have."""

    interval: Interval
    p: float  # two-sided, that there is no difference
    clips: int


def paired_means(
    first: Sequence[float] | NDArray[np.float64],
    second: Sequence[float] | NDArray[np.float64],
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Difference:
    """The mean of `second` - `first`; clips without a value (nan) on either side are left out."""
    differences = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    differences = differences[~np.isnan(differences)]
    if len(differences) < 2:
        nothing = Interval(*[float(differences.mean()) if len(differences) else np.nan, np.nan, np.nan])
        return Difference(nothing, np.nan, len(differences))
    drawn = bootstrap_means(differences, rounds, seed)
    return Difference(_interval(float(differences.mean()), drawn), two_sided(drawn), len(differences))


def paired_statistics(
    first: Statistic, second: Statistic, clips: int, rounds: int, seed: int = 0
) -> Difference:
    """The difference of a figure that only many clips have together, each round over the same clips of both."""
    rng = np.random.default_rng(seed)
    everything = np.arange(clips)
    drawn = []
    for _ in range(rounds):
        chosen = rng.integers(clips, size=clips)
        drawn.append(second(chosen) - first(chosen))
    known = np.array(drawn)[~np.isnan(drawn)]
    value = second(everything) - first(everything)
    if len(known) < 2:
        return Difference(Interval(value, np.nan, np.nan), np.nan, clips)
    return Difference(_interval(value, known), two_sided(known), clips)


def bootstrap_means(values: NDArray[np.float64], rounds: int, seed: int) -> NDArray[np.float64]:
    """(N,) -> (rounds,) means over clips drawn again with replacement."""
    rng = np.random.default_rng(seed)
    rows = max(1, AT_ONCE // max(len(values), 1))
    means = [
        values[rng.integers(len(values), size=(min(rows, rounds - done), len(values)))].mean(axis=1)
        for done in range(0, rounds, rows)
    ]
    return np.concatenate(means)


def two_sided(drawn: NDArray[np.float64]) -> float:
    """How often the drawn differences lie on the less likely side of 0, twice; never 0 after finitely many rounds."""
    below, above = (drawn <= 0).sum(), (drawn >= 0).sum()
    return float(min(1.0, 2 * (min(below, above) + 1) / (len(drawn) + 1)))


def holm(chances: Sequence[float]) -> list[float]:
    """p of several tests -> p of each, adjusted so that one false alarm among all of them stays as rare (Holm 1979).

    What was not tested (nan) does not count and stays nan.
    """
    chances = [float(p) for p in chances]
    known = sorted((number for number, p in enumerate(chances) if not np.isnan(p)), key=chances.__getitem__)
    adjusted, largest = list(chances), 0.0
    for rank, number in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * chances[number]))
        adjusted[number] = largest
    return adjusted


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, float(low), float(high))
