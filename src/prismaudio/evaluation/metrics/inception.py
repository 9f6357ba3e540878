"""Whether sounds are each clear and together varied: the inception score, exp E KL(p(y|x) || p(y)).

Shapes: N sounds, C classes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prismaudio.evaluation.metrics.divergence import kl_divergence
from prismaudio.evaluation.metrics.frechet import TooFewSounds

SPLITS, SEED = 10, 2020


class InceptionScore(NamedTuple):
    """From 1 (all alike, or none clear) to the number of classes; it rises with the sounds in a split, so say N."""

    mean: float
    std: float  # over the splits, not over sounds
    sounds: int


def inception_score(
    posteriors: NDArray[np.floating], splits: int = SPLITS, seed: int = SEED
) -> InceptionScore:
    """Log-posteriors (N, C) -> the mean over `splits` shuffled parts (spec rewards.md 2).

    `TooFewSounds` if a part would have fewer than two sounds.
    """
    count = len(posteriors)
    if count < 2 * splits:
        raise TooFewSounds(f"N = {count} sounds for {splits} splits; the inception score needs {2 * splits}")
    # the legacy generator, as published scores were shuffled
    shuffled = np.asarray(posteriors, np.float64)[np.random.RandomState(seed).permutation(count)]
    scores = []
    for part in range(splits):
        own = shuffled[part * count // splits : (part + 1) * count // splits]
        common = np.log(np.exp(own).mean(axis=0))
        scores.append(np.exp(kl_divergence(own, np.broadcast_to(common, own.shape)).mean()))
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)), count)
