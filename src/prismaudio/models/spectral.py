"""Short-time spectra and their way back to sound: STFT, mel bands and Griffin-Lim phase.

Shapes: B batch, N samples, F frequency bins, K frames, M mel bands.
"""

import math
from functools import lru_cache

import torch
from einops import rearrange
from torch import Tensor

MAGNITUDE_FLOOR = (
    1e-7  # of a full-scale sine: 140 dB down, below any recording's noise but above digital silence
)


def hann(size: int, like: Tensor) -> Tensor:
    """-> (size,) periodic Hann window on the device of `like`."""
    return torch.hann_window(size, device=like.device, dtype=torch.float32)


def stft(audio: Tensor, size: int, hop: int) -> Tensor:
    """audio: (..., N) -> (..., F, N // hop + 1) complex; scaled so that a full-scale sine has magnitude 1."""
    window = hann(size, audio)
    flat = audio.reshape(-1, audio.shape[-1]).float()
    spectrum = torch.stft(
        flat, size, hop, window=window, center=True, pad_mode="constant", return_complex=True
    )
    return spectrum.reshape(*audio.shape[:-1], *spectrum.shape[-2:]) * (2 / window.sum())


def istft(spectrum: Tensor, size: int, hop: int, length: int) -> Tensor:
    """The inverse of `stft`: (..., F, K) -> (..., length)"""
    window = hann(size, spectrum.real)
    flat = spectrum.reshape(-1, *spectrum.shape[-2:]) * (window.sum() / 2)
    audio = torch.istft(flat, size, hop, window=window, center=True, length=length)
    return audio.reshape(*spectrum.shape[:-2], length)


@lru_cache(maxsize=4)
def mel_filters(bands: int, size: int, sample_rate: int) -> Tensor:
    """-> (M, F) triangles on the HTK mel scale from 0 Hz to Nyquist, each summing to 1 (a weighted mean of power).

    Low triangles narrower than one bin are widened to one, so no band is ever empty.
    """
    bins = torch.linspace(0, sample_rate / 2, size // 2 + 1, dtype=torch.float64)
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2, dtype=torch.float64) / 2595) - 1)
    width = sample_rate / size
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise = (bins - torch.minimum(low, centre - width)) / torch.maximum(centre - low, torch.tensor(width))
    fall = (torch.maximum(high, centre + width) - bins) / torch.maximum(high - centre, torch.tensor(width))
    triangles = torch.minimum(rise, fall).clamp(min=0)
    return (triangles / triangles.sum(dim=1, keepdim=True)).float()


def log_mel(power: Tensor, filters: Tensor) -> Tensor:
    """power: (..., F, K), filters: (M, F) -> (..., M, K) natural log of band magnitude, floored at -16.1."""
    return 0.5 * torch.log((filters.to(power) @ power).clamp(min=MAGNITUDE_FLOOR**2))


def power_from_log_mel(mel: Tensor, filters: Tensor, rounds: int = 8) -> Tensor:
    """mel: (..., M, K) -> (..., F, K): a smooth power spectrum whose mel bands are `mel`.

    Multiplicative updates (Lee & Seung's non-negative matrix factorisation with the filters fixed) from the transposed
    filters' guess; they keep the spectrum non-negative, which a pseudo-inverse does not.
    """
    filters = filters.to(mel)
    target = torch.exp(2 * mel)
    coverage = filters.sum(dim=0, keepdim=True).mT.clamp(min=1e-8)  # (F, 1)
    power = filters.mT @ target / coverage
    for _ in range(rounds):
        power = power * (filters.mT @ (target / (filters @ power).clamp(min=1e-12)) / coverage)
    return power


def griffin_lim(
    magnitude: Tensor,
    size: int,
    hop: int,
    rounds: int,
    generator: torch.Generator | None = None,
    momentum: float = 0.99,
) -> Tensor:
    """magnitude: (B, F, K) -> (B, F, K) complex with consistent phase (fast Griffin-Lim, Perraudin 2013).

    Without a generator the first phases come from a fixed seed, so equal magnitudes give equal sound.
    """
    generator = generator or torch.Generator(magnitude.device).manual_seed(0)
    phase = torch.rand(magnitude.shape, generator=generator, device=magnitude.device) * (2 * math.pi)
    spectrum = torch.polar(magnitude, phase)
    length = (magnitude.shape[-1] - 1) * hop
    previous = torch.zeros_like(spectrum)
    for _ in range(rounds):
        consistent = stft(istft(spectrum, size, hop, length), size, hop)
        ahead = consistent + momentum * (consistent - previous)
        spectrum = magnitude * ahead / ahead.abs().clamp(min=1e-12)
        previous = consistent
    return spectrum


def frames_to_latents(x: Tensor, per_latent: int) -> Tensor:
    """(..., K * per_latent) -> (..., K, per_latent)"""
    return rearrange(x, "... (k p) -> ... k p", p=per_latent)
