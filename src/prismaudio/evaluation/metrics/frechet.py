"""How far apart two sets of sounds are, as normal distributions of their features: the Frechet distance.

d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), with covariances over N - 1 (spec rewards.md 2).
Always named for its embedding: distances of different embeddings have nothing in common.

Shapes: N sounds, D features.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prismaudio.errors import PrismAudioError

Features = NDArray[np.floating]  # (N, D)
SIZES = 8  # of subsets through which the distance is extrapolated
SMALLEST_SHARE = 0.4  # of the sounds in the smallest of them


class TooFewSounds(PrismAudioError):
    """Fewer sounds than the figure needs to mean anything."""


def frechet_distance(x: Features, y: Features, *, allow_small: bool = False) -> float:
    """x: (N1, D), y: (N2, D) -> squared Frechet distance, 0 for equal sets, in the square of the features' unit.

    `TooFewSounds` if either set has no more than D sounds, whose covariance is singular and whose distance is mostly
    bias; `allow_small` computes it nevertheless.
    """
    _check(x, y, allow_small=allow_small)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    difference = x.mean(axis=0) - y.mean(axis=0)
    x, y = (centred / np.sqrt(len(centred) - 1) for centred in (x - x.mean(axis=0), y - y.mean(axis=0)))
    return float(difference @ difference + (x**2).sum() + (y**2).sum() - 2 * _overlap(x, y))


def frechet_infinity(x: Features, y: Features, *, seed: int = 2020) -> float:
    """The distance that endlessly many sounds would have: a line over 1 / N, read at 0 (Chong & Forsyth 2020).

    Subsets of `x` of several sizes are compared with all of `y`, which is kept whole as its bias is the same for
    every system. Sets smaller than their dimension are allowed: this is what is reported for them.
    """
    _check(x, y, allow_small=True)
    sizes = np.unique(np.linspace(max(2, SMALLEST_SHARE * len(x)), len(x), SIZES).astype(int))
    if len(sizes) < 2:
        raise TooFewSounds(f"{len(x)} sounds are too few to extrapolate from; give more")
    rng = np.random.default_rng(seed)
    distances = [
        frechet_distance(x[rng.choice(len(x), size, replace=False)], y, allow_small=True) for size in sizes
    ]
    _, at_infinity = np.polyfit(1 / sizes, distances, 1)
    return float(at_infinity)


def _check(x: Features, y: Features, *, allow_small: bool) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"features of shapes {x.shape} and {y.shape}; give (N, D) with one D")
    least = 2 if allow_small else x.shape[1] + 1
    if min(len(x), len(y)) < least:
        raise TooFewSounds(
            f"N = {min(len(x), len(y))} sounds for D = {x.shape[1]} features, N > D is needed; "
            "give more sounds, or --allow-small for extrapolated figures"
        )


def _overlap(x: Features, y: Features) -> float:
    """tr (S1 S2)^1/2 of covariances S = x'x, from the centred and scaled sets themselves.

    It equals tr (S1^1/2 S2 S1^1/2)^1/2, which is symmetric, and the sum of the singular values of x y', which is
    smaller where sounds are fewer than features.
    """
    if min(len(x), len(y)) < x.shape[1]:
        return float(np.linalg.svd(x @ y.T, compute_uv=False).sum())
    values, vectors = np.linalg.eigh(x.T @ x)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.linalg.eigvalsh(root @ (y.T @ y) @ root)
    return float(np.sqrt(np.maximum(shared, 0)).sum())


def stacked(rows: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """One (n, D) or (D,) per sound -> (N, D) of all of them, in order."""
    return np.concatenate([np.atleast_2d(row) for row in rows]).astype(np.float64)
