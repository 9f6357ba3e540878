"""How loud a sound is (ITU-R BS.1770-4) and bringing it to the loudness of broadcast (EBU R 128)."""

import math
from dataclasses import dataclass

import numpy as np
import pyloudnorm
import torch
import torch.nn.functional as F
from einops import rearrange
from scipy.ndimage import minimum_filter1d
from scipy.signal import oaconvolve
from torch import Tensor

from prismaudio.types import Audio

TARGET_LUFS = -23.0
CEILING_DBTP = -1.0
MAX_LIMITING_DB = 6.0  # what a limiter takes off a peak before it is heard
MAX_BOOST_DB = 30.0  # more would lift the noise of a sound that is meant to be nearly silent

GATING_BLOCK = 0.4  # seconds
OVERSAMPLING = 4
REACH = 24  # samples on either side that true peaks are interpolated from
LOOK_AHEAD = 0.01  # seconds in which the limiter goes down, and up again
CHUNK = 1 << 16  # samples measured at a time, to keep memory small


@dataclass(frozen=True, eq=False)
class Normalised:
    """A sound at its new level, and what the meters say about it."""

    audio: Audio
    loudness: float  # LUFS
    true_peak: float  # dBTP
    gain: float  # dB, before limiting


def integrated_loudness(audio: Audio) -> float:
    """Gated loudness in LUFS, -inf for silence; a sound shorter than one gating block counts as one block."""
    samples = rearrange(audio.samples.detach().double().cpu().numpy(), "c n -> n c")
    length, block = len(samples), round(GATING_BLOCK * audio.sample_rate)
    if length == 0:
        return -math.inf
    # pyloudnorm's "K-weighting" is an approximation; its "DeMan" has the coefficients of the standard.
    meter = pyloudnorm.Meter(audio.sample_rate, filter_class="DeMan", block_size=GATING_BLOCK)
    missing = max(0, block - length)
    loudness = meter.integrated_loudness(np.pad(samples, ((0, missing), (0, 0))))
    return float(loudness) + 10 * math.log10(block / length) if missing else float(loudness)


def true_peak(audio: Audio) -> float:
    """Largest absolute value between the samples too, in dBTP; -inf for silence."""
    envelope = _envelope(audio.samples.detach().float().cpu())
    return _decibels(envelope.max().item()) if envelope.numel() else -math.inf


def normalise(
    audio: Audio, target_lufs: float = TARGET_LUFS, true_peak_dbfs: float = CEILING_DBTP
) -> Normalised:
    """Bring one sound to a loudness, never above a true peak; silence stays silence.

    -23 LUFS under -1 dBTP is EBU R 128, the level of sound for picture and of our listening
    tests. It leaves short hits the headroom that the -14 to -16 LUFS of music services do
    not. Peaks that still stand out are limited by at most 6 dB; a sound that would need
    more, or a boost above 30 dB, stays quieter than the target, and `loudness` says so.
    """
    audio = Audio(audio.samples.detach().float().cpu(), audio.sample_rate)
    loudness, peak = integrated_loudness(audio), true_peak(audio)
    if loudness == -math.inf or peak == -math.inf:
        return Normalised(audio, loudness, peak, gain=0.0)
    gain = min(target_lufs - loudness, true_peak_dbfs + MAX_LIMITING_DB - peak, MAX_BOOST_DB)
    samples = audio.samples * 10 ** (gain / 20)
    louder = Audio(_limit(samples, 10 ** (true_peak_dbfs / 20), audio.sample_rate), audio.sample_rate)
    return Normalised(louder, integrated_loudness(louder), true_peak(louder), gain)


def _limit(samples: Tensor, ceiling: float, sample_rate: int) -> Tensor:
    """Turn down, smoothly and ahead of time, where the true peak would pass `ceiling`. (c, n) -> (c, n)"""
    envelope = _envelope(samples)
    if envelope.max() <= ceiling:
        return samples
    reach = round(LOOK_AHEAD * sample_rate)
    needed = (ceiling / envelope.clamp(min=ceiling)).numpy()
    lowest = minimum_filter1d(np.pad(needed, reach, constant_values=1.0), 2 * reach + 1, mode="nearest")
    window = np.hanning(2 * reach + 3)[1:-1]
    # Every one of these gains is low enough for the sample in their middle, so their weighted mean is too.
    gain = oaconvolve(lowest, window / window.sum(), mode="valid")
    limited = samples * torch.from_numpy(gain).to(samples)
    # A moving gain bends the curve between samples by a hair: take that off everywhere.
    return limited * min(1.0, ceiling / _envelope(limited).max().item() * (1 - 1e-6))


def _envelope(samples: Tensor) -> Tensor:
    """Largest absolute value over channels, at each sample and on the way to the next. (c, n) -> (n,)"""
    padded = F.pad(samples, (REACH - 1, REACH))
    kernels = _interpolators().to(padded)
    peaks = [samples.new_zeros(0)]
    for begin in range(0, samples.shape[-1], CHUNK):
        piece = padded[:, None, begin : begin + CHUNK + 2 * REACH - 1]
        between = F.conv1d(piece, kernels[:, None])  # (c, phases, m)
        peaks.append(between.abs().amax(dim=(0, 1)))
    return torch.cat(peaks)


def _interpolators() -> Tensor:
    """Windowed sincs that read a signal 0, 1/4, 2/4, 3/4 of a sample later. -> (phases, 2 * REACH)"""
    offsets = torch.arange(1 - REACH, REACH + 1).double()
    distance = offsets[None] - torch.arange(OVERSAMPLING)[:, None] / OVERSAMPLING
    window = torch.special.i0(8 * (1 - (distance / REACH).square()).clamp(min=0).sqrt())
    kernels = torch.sinc(distance) * window
    return (kernels / kernels.sum(dim=1, keepdim=True)).float()


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
