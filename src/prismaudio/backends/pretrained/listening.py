"""How published taggers are fed: one channel without its offset, at their rate, and mel bands (spec rewards.md 2).

Shapes: B sounds, N samples, M mel bands, F frequency bins, D features, C classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from prismaudio.models.resampling import resample
from prismaudio.types import Audio


class Heard(NamedTuple):
    """What a tagger says of sounds."""

    features: Tensor  # (B, D)
    logits: Tensor  # (B, C)


def mono(audio: Audio, rate: int) -> Tensor:
    """-> (N,) at `rate`; no channel is preferred, and what microphones add as a constant is taken off."""
    samples = audio.samples.float().mean(dim=0)
    return resample(samples - samples.mean(), audio.sample_rate, rate)


def triangles_over_mel(hertz: Tensor, bands: int, low: float, high: float) -> Tensor:
    """hertz: (F,) -> (M, F) float64: bands of height 1 that are straight over mel, as in Kaldi and VGGish."""
    bins, ends = _mel(hertz), _mel(torch.tensor([low, high], dtype=torch.float64))
    edges = torch.linspace(float(ends[0]), float(ends[1]), bands + 2, dtype=torch.float64)
    below, centre, above = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return torch.minimum((bins - below) / (centre - below), (above - bins) / (above - centre)).clamp(min=0)


def _mel(hertz: Tensor) -> Tensor:
    """HTK's scale, with the rounded factor these networks were trained with."""
    return 1127 * torch.log1p(hertz / 700)
