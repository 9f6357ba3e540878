"""How well a codec keeps a sound: spectral distance of the mono mix, and what becomes of its direction.

Shapes: N samples, F bins, K frames.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prismaudio.evaluation.metrics.direction import listen
from prismaudio.types import Audio

SIZES = (2048, 1024, 512, 256, 128, 64)
FLOOR = 1e-5
CROP = 32_768  # samples: 0.74 s
NEAR_MS, NEAR_DB = 0.1, 2.0  # errors of direction that nobody hears


class DirectionShift(NamedTuple):
    """By how much a codec moved a sound, after minus before; positive is to the right."""

    delay_ms: float
    level_db: float

    @property
    def is_small(self) -> bool:
        return abs(self.delay_ms) <= NEAR_MS and abs(self.level_db) <= NEAR_DB


def spectral_distance(reference: Tensor, estimate: Tensor) -> float:
    """reference, estimate: (N,) mono -> mean over six STFT sizes of spectral convergence + L1 of log magnitudes.

    0 for equal sounds; silence in place of a recording scores about 6.
    """
    return float(np.mean([_distance_at(reference, estimate, size) for size in SIZES]))


def _distance_at(reference: Tensor, estimate: Tensor, size: int) -> float:
    x, y = (_magnitude(sound, size) for sound in (reference, estimate))
    convergence = torch.linalg.norm(x - y) / torch.linalg.norm(x).clamp(min=FLOOR)
    logarithmic = (x.clamp(min=FLOOR).log() - y.clamp(min=FLOOR).log()).abs().mean()
    return float(convergence + logarithmic)


def _magnitude(sound: Tensor, size: int) -> Tensor:
    """sound: (N,) -> (F, K)"""
    window = torch.hann_window(size)
    return torch.stft(sound.float(), size, size // 4, window=window, return_complex=True).abs()


def loudest_crop(samples: NDArray[np.float32], hop: int) -> NDArray[np.float32] | None:
    """samples: (2, N) -> (2, n): the loudest 0.74 s, or a shorter recording cut to whole latent frames of `hop`.

    Nothing is padded, so that no silence is scored; None for what is shorter than one latent frame.
    """
    length = min(CROP, samples.shape[1]) // hop * hop
    if not length:
        return None
    energy = np.concatenate([[0.0], np.cumsum((samples.astype(np.float64) ** 2).sum(axis=0))])
    start = int(np.argmax(energy[length:] - energy[:-length]))
    return np.ascontiguousarray(samples[:, start : start + length])


def direction_shift(before: Audio, after: Audio) -> DirectionShift:
    """Compare one sound at one place before and after a codec; both stereo and of one length."""
    ears = [listen(audio) for audio in (before, after)]
    everywhere = np.ones(len(ears[0].delay), dtype=bool)
    (delay, level), (delay_after, level_after) = (
        (e.delay_ms(everywhere), e.level_db(everywhere)) for e in ears
    )
    return DirectionShift(delay_after - delay, level_after - level)
