"""How far apart two sets of sounds are without assuming a distribution, and without bias when they are small.

The squared maximum mean discrepancy with the kernel (x.y / D + 1)^3, over random subsets (Binkowski et al. 2018).

Shapes: N sounds, D features, S sounds of a subset.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prismaudio.evaluation.metrics.frechet import Features, TooFewSounds

SUBSETS, SUBSET_SIZE, SEED = 100, 1000, 2020


class KernelDistance(NamedTuple):
    """About 0 for sets drawn alike, and then as often below as above."""

    mean: float
    std: float  # over subsets


def kernel_distance(
    x: Features, y: Features, *, subsets: int = SUBSETS, size: int = SUBSET_SIZE, seed: int = SEED
) -> KernelDistance:
    """x: (N1, D), y: (N2, D); subsets are no larger than the smaller set. `TooFewSounds` below two."""
    size = min(size, len(x), len(y))
    if size < 2:
        raise TooFewSounds(f"{len(x)} and {len(y)} sounds; the kernel distance needs two of each")
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    rng = np.random.RandomState(seed)  # the legacy generator, as published figures were drawn
    found = []
    for _ in range(subsets):
        chosen_x = x[rng.choice(len(x), size, replace=False)]
        chosen_y = y[rng.choice(len(y), size, replace=False)]
        found.append(unbiased_discrepancy(chosen_x, chosen_y))
    return KernelDistance(float(np.mean(found)), float(np.std(found)))


def unbiased_discrepancy(x: Features, y: Features) -> float:
    """x, y: (S, D); pairs of a sound with itself are left out within a set."""
    size = len(x)
    within = sum(kernel.sum() - np.trace(kernel) for kernel in (_kernel(x, x), _kernel(y, y)))
    return float(within / (size * (size - 1)) - 2 * _kernel(x, y).mean())


def _kernel(x: Features, y: Features) -> NDArray[np.float64]:
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3, np.float64)
