"""How far a stereo sound is from another, at several resolutions: what a waveform codec minimises.

Spectral convergence and distance of log magnitudes (Yamamoto 2020, arXiv 1910.11480), once of left and right and once
of their sum and difference (Steinmetz 2020, arXiv 2010.10291). Left and right notice a swap; sum and difference
notice a polarity and a delay between the ears, which leave the magnitudes of both ears as they are.

Shapes: B batch, N samples, F frequency bins, K frames.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from prismaudio.models.spectral import stft

SIZES = (2048, 1024, 512, 256, 128, 64, 32)
FLOOR = 1e-5  # 100 dB below a full-scale sine: what is softer counts as silence


def stereo_spectral_loss(reference: Tensor, estimate: Tensor, sizes: Sequence[int] = SIZES) -> Tensor:
    """(B, 2, N) each -> (), the mean over left/right and mid/side; 0 for equal sounds."""
    pairs = [(reference, estimate), (mid_side(reference), mid_side(estimate))]
    return torch.stack([spectral_loss(r, e, sizes) for r, e in pairs]).mean()


def spectral_loss(reference: Tensor, estimate: Tensor, sizes: Sequence[int] = SIZES) -> Tensor:
    """(B, 2, N) each -> (), the mean over resolutions and sounds."""
    return torch.stack([_distance_at(reference, estimate, size) for size in sizes]).mean()


def mid_side(audio: Tensor) -> Tensor:
    """(..., 2, N) -> (..., 2, N): sum and difference, scaled to keep the energy; its own inverse."""
    left, right = audio.unbind(dim=-2)
    return torch.stack([left + right, left - right], dim=-2) / math.sqrt(2)


def _distance_at(reference: Tensor, estimate: Tensor, size: int) -> Tensor:
    x, y = (stft(audio, size, size // 4).abs() for audio in (reference, estimate))  # (B, 2, F, K)
    difference, loudness = (torch.linalg.vector_norm(z, dim=(1, 2, 3)) for z in (x - y, x))
    # of both channels together: the side of a centred sound is silent, and anything would be far from it
    softest = FLOOR * math.sqrt(x[0].numel())
    convergence = difference / loudness.clamp(min=softest)
    logarithmic = ((x + FLOOR).log() - (y + FLOOR).log()).abs().mean(dim=(1, 2, 3))
    return (convergence + logarithmic).mean()
