"""The nouns every room shares: a sound, a run of pictures, and the names of number formats."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}  # by name


@dataclass(frozen=True, eq=False)
class Audio:
    """A sound; full scale is -1 to 1."""

    samples: Tensor  # (channels, n) float32
    sample_rate: int

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.samples.shape[-1] / self.sample_rate


@dataclass(frozen=True, eq=False)
class Frames:
    """Pictures at a constant rate: number k is on screen at k / fps seconds."""

    images: NDArray[np.uint8]  # (n, height, width, 3) RGB
    fps: float

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.images) / self.fps
