"""What the embedded judges hear of a sound: energy over time and frequency, direction, and the marks of overload.

Shapes: B sounds, N samples at 44.1 kHz, M mel bands, K frames at 100 Hz, T steps of 46 ms.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor

from prismaudio.models.spectral import log_mel, mel_filters, stft
from prismaudio.models.stereo import LEVEL_UNIT_DB, analyse

SAMPLE_RATE = 44_100
FRAME_RATE = 100  # mel frames a second
MEL_BANDS = 80
SIZE, HOP = 2048, SAMPLE_RATE // FRAME_RATE
STEREO_HOP, STEREO_FRAMES = 512, 4  # steps of `models.stereo`: 2,048 samples
MARKS = 4
NEAR_PEAK = (0.5, 0.9, 0.99)  # of the peak: clipping leaves many samples close to it
SILENT = 1e-6  # of full scale, a peak below which nothing is heard


class Heard(NamedTuple):
    """What is heard of sounds, for all judges."""

    mel: Tensor  # (B, M, K) nats, of the mean power of the channels
    azimuth: Tensor  # (B, T) -1 left to 1 right, by level and delay together
    energy: Tensor  # (B, T) power of both ears
    marks: Tensor  # (B, 4) crest factor and shares of samples near the peak, about -1 to 1


def hear(samples: Tensor) -> Heard:
    """samples: (B, 2, N) at 44.1 kHz, full scale 1; each is heard as if it were alone"""
    samples = samples.float()
    power = (stft(samples, SIZE, HOP).abs() ** 2).mean(dim=1)
    mel = log_mel(power, mel_filters(MEL_BANDS, SIZE, SAMPLE_RATE))
    azimuth, energy = heard_azimuth(samples)
    return Heard(mel, azimuth, energy, overload_marks(samples))


def heard_azimuth(samples: Tensor) -> tuple[Tensor, Tensor]:
    """samples: (B, 2, N) -> azimuth (B, T) in [-1, 1], mean of level difference and delay, and power (B, T)

    12 dB and 0.6 ms are the edge of the screen (`models.stereo`, the stage's convention).
    """
    step = STEREO_HOP * STEREO_FRAMES
    padded = F.pad(samples, (0, -samples.shape[-1] % step))
    spectrum = stft(padded, SIZE, STEREO_HOP)[..., :-1]
    image = analyse(spectrum, SAMPLE_RATE, STEREO_FRAMES)
    power = reduce(spectrum.abs() ** 2, "b ear f (t k) -> ear b t", "sum", k=STEREO_FRAMES)
    left, right = power.clamp(min=1e-12)
    return combined_azimuth(left, right, image.delay[:, 0]), left + right


def combined_azimuth(left: Tensor, right: Tensor, delay: Tensor) -> Tensor:
    """Powers of the ears and delay in units of the far right -> azimuth in [-1, 1]; all (B, T)"""
    level = 10 * torch.log10(right.clamp(min=1e-12) / left.clamp(min=1e-12)) / LEVEL_UNIT_DB
    return (level.clamp(-1, 1) + delay.clamp(-1, 1)) / 2


def overload_marks(samples: Tensor) -> Tensor:
    """samples: (B, 2, N) -> (B, 4): what hard clipping does to a waveform and no spectrum shows well; 0 for silence"""
    level = samples.abs().flatten(1)
    peak = level.amax(dim=1)
    rms = level.square().mean(dim=1).sqrt()
    near = [(level > share * peak[:, None]).float().mean(dim=1) for share in NEAR_PEAK]
    marks = marks_of(peak / rms.clamp(min=SILENT), near)
    return torch.where(peak[:, None] < SILENT, 0.0, marks)


def marks_of(crest: Tensor, near: Sequence[Tensor]) -> Tensor:
    """Peak over RMS, and the share of samples near the peak for each of `NEAR_PEAK`, (B,) each -> (B, 4)"""
    shares = (torch.log10(share + 1e-6) / 3 + 1 for share in near)
    return torch.stack([torch.log10(crest) - 1, *shares], dim=1)
