"""Whether a generated sound is of the same classes as the true one: KL(true || generated) of a classifier's posteriors.

Shapes: N sounds, C classes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

SMALLEST = 1e-12  # a posterior is never surer than this that something is not there


def kl_divergence(true_log: NDArray[np.floating], found_log: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log-posteriors (N, C) of the true and the generated sounds -> (N,) nats, 0 for equal ones.

    The figure is their mean over all sounds: where a clip has several generated ones, each has its own row beside
    the same true sound, and all count (spec rewards.md 2).
    """
    true_log, found_log = np.asarray(true_log, np.float64), np.asarray(found_log, np.float64)
    return (np.exp(true_log) * (true_log - found_log)).sum(axis=-1)


def from_logits(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., C) logits -> log-posteriors that sum to 1."""
    return np.asarray(log_softmax(np.asarray(logits, np.float64), axis=-1))


def from_probabilities(chances: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., C) probabilities -> log-posteriors; zeros become 1e-12 so that the divergence is finite."""
    chances = np.maximum(np.asarray(chances, np.float64), SMALLEST)
    return np.log(chances / chances.sum(axis=-1, keepdims=True))
