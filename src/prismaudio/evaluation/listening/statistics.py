"""What can be concluded from few raters and few clips: intervals over both, agreement, and strengths from preferences.

Shapes: N ratings, R rounds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROUNDS = 2_000
TIE = 0.5  # of a made-up draw between every two, so that who never loses has a finite strength
STEPS = 500


class Resampled(NamedTuple):
    """How often each rating counts in each round, raters and clips drawn again independently: (R, N)."""

    weights: NDArray[np.float64]

    def means(self, scores: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(N,) -> (R,) means of the chosen ratings; nan in a round that drew none of them."""
        weights = self.weights[:, chosen]
        total = weights.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 0, (weights @ scores[chosen]) / total, np.nan)


def resample_both(
    raters: Sequence[str], clips: Sequence[str], rounds: int = ROUNDS, seed: int = 0
) -> Resampled:
    """The two-way bootstrap: as many raters as there are, and as many clips, each drawn with replacement."""
    rng = np.random.default_rng(seed)
    weights = np.ones((rounds, len(raters)))
    for names in (raters, clips):
        _, numbers = np.unique(names, return_inverse=True)
        count = int(numbers.max()) + 1
        draws = rng.multinomial(count, np.full(count, 1 / count), size=rounds)
        weights *= draws[:, numbers]
    return Resampled(weights)


def krippendorff_alpha(table: NDArray[np.float64]) -> float:
    """(raters, items), nan where nobody answered -> agreement on an ordinal scale: 1 perfect, 0 as by chance.

    Krippendorff, "Computing Krippendorff's alpha-reliability" (2011); nan if all answers are the same.
    """
    values = np.unique(table[~np.isnan(table)])
    counts = np.stack([(table == value).sum(axis=0) for value in values])  # (values, items)
    counts = counts[:, counts.sum(axis=0) >= 2].astype(np.float64)
    if len(values) < 2 or not counts.size:
        return float("nan")
    pairs = counts.sum(axis=0) - 1
    together = (counts / pairs) @ counts.T - np.diag((counts / pairs).sum(axis=1))
    totals = together.sum(axis=1)
    below = np.cumsum(totals) - totals / 2  # how many answers lie below the middle of each
    distance = (below[:, None] - below[None]) ** 2
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    if not (expected * distance).sum():
        return float("nan")
    return float(1 - (together * distance).sum() / (expected * distance).sum())


def bradley_terry(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    """wins: (C, C), how often row was preferred to column, draws half to each -> (C,) log strengths, mean 0.

    exp(a) / (exp(a) + exp(b)) is how often a is preferred to b. One draw that nobody gave is added to every pair.
    Hunter (2004), "MM algorithms for generalized Bradley-Terry models".
    """
    wins = wins + TIE * (1 - np.eye(len(wins)))
    games, won = wins + wins.T, wins.sum(axis=1)
    strength = np.ones(len(wins))
    for _ in range(STEPS):
        strength = won / (games / (strength[:, None] + strength[None])).sum(axis=1)
        strength /= np.exp(np.log(strength).mean())
    return np.log(strength)
