"""All chance of post-training, drawn by what it is for and where it is needed, never by who came first.

A draw is a function of (seed, purpose, iteration, prompt, ...): the same for every member of a group, on every
process, in any order, and after any interruption, with no state to keep.
"""

from enum import IntEnum

import numpy as np
import torch
from torch import Tensor


class Purpose(IntEnum):
    """What a draw is for; each has its own stream. The numbers are part of what a seed means."""

    WINDOW = 1
    START = 2
    STEP_NOISE = 3
    TIME = 4
    ORDER = 5
    TARGET_NOISE = 6
    EXAMINATION = 7


def stream(seed: int, purpose: Purpose, *where: int) -> np.random.Generator:
    """Counter-based numbers (Philox) of this place. All numbers are 0 or more."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, purpose, *where])))


def normal(shape: tuple[int, ...], seed: int, purpose: Purpose, *where: int) -> Tensor:
    """Standard normal numbers of this place, float32, drawn on the CPU so that every device gets the same."""
    number = np.random.SeedSequence([seed, purpose, *where]).generate_state(1, np.uint64)[0]
    return torch.randn(shape, generator=torch.Generator().manual_seed(int(number)))
