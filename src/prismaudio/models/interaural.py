"""From where does a stereo sound come, moment by moment: the delay and the level between its channels (GCC-PHAT).

Signs as in StereoCRW and BEWO: a positive delay means that the right channel lags, a positive level that the left
one is louder; both mean a source on the left. (The stage and `models.stereo` count right as positive.)
Shapes: B batch, N samples, W windows of 0.24 s every 0.12 s, F bins, L lags, T blocks of 0.5 s.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor

from prismaudio.models.resampling import resample

RATE = 16_000  # Hz
WINDOW, HOP = 3840, 1920  # samples: 0.24 and 0.12 s
BAND = (80.0, 7000.0)  # Hz that vote
INTERPOLATION = 16  # lags a sample
LONGEST_DELAY = 1.5e-3  # seconds
GATE = 1e-4  # of the mean energy of all windows; quieter ones have no say: -40 dB
BLOCK = 0.5  # seconds
INAUDIBLE = 1e-10  # mean power of a window: -100 dBFS
WIDEST_LEVEL = 60.0  # dB, where one channel is silent


class Interaural(NamedTuple):
    """Where a sound is, block by block; NaN where it is silent."""

    delay: Tensor  # (B, T) seconds by which the right channel lags
    level: Tensor  # (B, T) dB by which the left channel is louder


class Windows(NamedTuple):
    """A stereo sound, window by window; the last partial one is left out unless it is the only one."""

    delay: Tensor  # (B, W) seconds by which the right channel lags; 0 if the ears have nothing in common
    clarity: Tensor  # (B, W) height of the peak that tells it: 1 for a pure delay
    left: Tensor  # (B, W) mean power
    right: Tensor  # (B, W)
    heard: Tensor  # (B, W) whether it is loud enough to tell


def windowed(samples: Tensor, sample_rate: int) -> Windows:
    """samples: (B, 2, N) -> GCC-PHAT and levels of every window (spec rewards.md 4.2)"""
    audio = resample(samples.float(), sample_rate, RATE)
    audio = torch.nn.functional.pad(audio, (0, max(0, WINDOW - audio.shape[-1])))
    windows = audio.unfold(-1, WINDOW, HOP)  # (B, 2, W, WINDOW)
    left, right = windows.square().mean(dim=-1).unbind(dim=1)
    total = left + right
    heard = total > torch.maximum(GATE * total.mean(dim=-1, keepdim=True), torch.tensor(2 * INAUDIBLE))
    delay, clarity = _delays(windows * torch.hann_window(WINDOW, device=audio.device))
    return Windows(delay, clarity, left, right, heard)


def listen(samples: Tensor, sample_rate: int) -> Interaural:
    """samples: (B, 2, N) -> delays and levels of blocks of 0.5 s (spec rewards.md 4.2)"""
    return in_blocks(windowed(samples, sample_rate), samples.shape[-1] / sample_rate)


def in_blocks(found: Windows, seconds: float) -> Interaural:
    """A block's delay is the median of its windows', in which loud and clear ones weigh more."""
    blocks = max(1, math.ceil(seconds / BLOCK - 1e-6))
    weights = (found.left + found.right).sqrt() * found.clarity * found.heard
    centres = torch.arange(found.delay.shape[-1], device=weights.device) * HOP + WINDOW / 2
    block_of = (centres / (BLOCK * RATE)).long().clamp(max=blocks - 1)
    members = block_of == torch.arange(blocks, device=weights.device)[:, None]  # (T, W)
    delay = weighted_median(
        found.delay[:, None].expand(-1, blocks, -1), weights[:, None] * members
    )  # a block without a sound has no median
    left, right = ((power * found.heard) @ members.mT.to(power) for power in (found.left, found.right))
    floor = (left + right) * 10 ** (-WIDEST_LEVEL / 10)
    return Interaural(delay, 10 * torch.log10((left + floor) / (right + floor)))


def weighted_median(values: Tensor, weights: Tensor) -> Tensor:
    """values, weights: (..., n) -> (...): half of the weight lies on either side; NaN where there is none."""
    order = values.argsort(dim=-1)
    mass = weights.gather(-1, order).double().cumsum(dim=-1)
    middle = (mass < mass[..., -1:] / 2).sum(dim=-1, keepdim=True).clamp(max=values.shape[-1] - 1)
    median = values.gather(-1, order).gather(-1, middle)[..., 0]
    return torch.where(mass[..., -1] > 0, median, torch.nan)


def side_to_middle(samples: Tensor) -> Tensor:
    """samples: (B, 2, N) -> (B,) dB of side over middle; -inf for mono, NaN for silence."""
    left, right = samples.float().unbind(dim=1)
    side, middle = ((x / 2).square().mean(dim=-1) for x in (left - right, left + right))
    return 10 * torch.log10(side / middle)


def published_delay(samples: Tensor, size: int, patches: int, longest: float, rate: int = RATE) -> Tensor:
    """samples: (B, 2, N) at `rate` -> (B,) seconds: the "GCC" of BEWO and of PrismAudio's reward.

    It knows whole samples only and takes the largest peak of either sign; the mean of `patches` windows of `size`.
    """
    step = samples.shape[-1] - size + 1 if patches == 1 else (samples.shape[-1] - size) // (patches - 1)
    spectrum = torch.fft.rfft(samples.unfold(-1, size, step), n=2 * size)
    cross = spectrum[:, 0] * spectrum[:, 1].conj()
    correlation = torch.fft.irfft(cross / (cross.abs() + 1e-20), n=2 * size)
    reach = int(rate * longest)
    near = torch.cat([correlation[..., -reach:], correlation[..., : reach + 1]], dim=-1)
    return -(near.abs().argmax(dim=-1) - reach).float().mean(dim=-1) / rate


def squared_error(delay: Tensor, reference: Tensor) -> Tensor:
    """delays: (B, T), (B, T') seconds -> (B,) in 1e-3 ms^2: of the means over time, as BEWO's tables have it."""
    difference = 1e3 * (delay.nanmean(dim=-1) - reference.nanmean(dim=-1))
    return 1e3 * difference.square()


def _delays(windows: Tensor) -> tuple[Tensor, Tensor]:
    """windows: (B, 2, W, n) -> delays (B, W) in seconds and the height of their peaks (B, W), 0 to 1"""
    low, high = (round(hertz * 2 * WINDOW / RATE) for hertz in BAND)
    spectrum = torch.fft.rfft(windows, n=2 * WINDOW)[..., low : high + 1]
    cross = spectrum[:, 0] * spectrum[:, 1].conj()
    phat = cross / cross.abs().clamp(min=1e-20)
    lags, cosine, sine = (x.to(windows.device) for x in _lags(low, high))
    correlation = (phat.real @ cosine - phat.imag @ sine) / phat.shape[-1]
    peak, index = correlation.max(dim=-1)
    clear = peak > 0  # one ear alone has no delay
    return torch.where(clear, lags[index], 0.0), peak.clamp(min=0)


@lru_cache(maxsize=1)
def _lags(low: int, high: int) -> tuple[Tensor, Tensor, Tensor]:
    """Lags (L,) in seconds, and what turns a cross spectrum into its correlation at them, (F, L) twice."""
    reach = round(LONGEST_DELAY * RATE * INTERPOLATION)
    lags = torch.arange(-reach, reach + 1, dtype=torch.float64) / (RATE * INTERPOLATION)
    hertz = torch.arange(low, high + 1, dtype=torch.float64) * RATE / (2 * WINDOW)
    # a lag of the right channel turns the phase of left times conjugate right forward
    angle = -2 * math.pi * rearrange(hertz, "f -> f 1") * lags
    return lags.float(), angle.cos().float(), angle.sin().float()
