"""Mel filters as other people's networks were trained on: HTK's as in torchaudio, Slaney's as in librosa.

`models.spectral` has this project's own. Shapes: M bands, F frequency bins.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

LINEAR_BELOW = 1000.0  # Hz, of Slaney's scale
HERTZ_PER_MEL = 200 / 3  # below it
LOG_STEP = math.log(6.4) / 27  # above it


@lru_cache(maxsize=4)
def htk_filters(bands: int, bins: int, sample_rate: int) -> Tensor:
    """-> (M, F) triangles of height 1 from 0 Hz to Nyquist; torchaudio's MelSpectrogram with norm=None."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    mels = torch.linspace(0, top, bands + 2, dtype=torch.float64)
    return _triangles(700 * (10 ** (mels / 2595) - 1), bins, sample_rate).float()


@lru_cache(maxsize=4)
def slaney_filters(bands: int, bins: int, sample_rate: int, low: float, high: float) -> Tensor:
    """-> (M, F) triangles of area 1 (per Hz) from `low` to `high` Hz; librosa.filters.mel with its defaults."""
    mels = torch.linspace(_slaney_mel(low), _slaney_mel(high), bands + 2, dtype=torch.float64)
    logarithmic = LINEAR_BELOW * torch.exp(LOG_STEP * (mels - LINEAR_BELOW / HERTZ_PER_MEL))
    edges = torch.where(mels < LINEAR_BELOW / HERTZ_PER_MEL, mels * HERTZ_PER_MEL, logarithmic)
    area = (edges[2:] - edges[:-2]) / 2
    return (_triangles(edges, bins, sample_rate) / area[:, None]).float()


def _slaney_mel(hertz: float) -> float:
    if hertz < LINEAR_BELOW:
        return hertz / HERTZ_PER_MEL
    return LINEAR_BELOW / HERTZ_PER_MEL + math.log(hertz / LINEAR_BELOW) / LOG_STEP


def _triangles(edges: Tensor, bins: int, sample_rate: int) -> Tensor:
    """edges: (M + 2,) Hz -> (M, F), height 1"""
    hertz = torch.linspace(0, sample_rate / 2, bins, dtype=torch.float64)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return torch.minimum((hertz - low) / (centre - low), (high - hertz) / (high - centre)).clamp(min=0)
