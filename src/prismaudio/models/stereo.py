"""Parametric stereo: where a sound is, as level difference, time difference and coherence per band and latent frame.

Analysis measures them from the left and right spectra; synthesis spreads one spectrum over two ears again. Direction is
explicit in the latent, so a codec cannot lose it and a generator can be told it (as in MPEG-4 parametric stereo).
Signs: positive is right. A source at azimuth a has a level difference of 12 dB * a and its sound reaches the right ear
0.6 ms * a earlier (stage convention).

Shapes: B batch, F bins, K frames, T latent frames, P frames per latent, S stereo bands.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from prismaudio.models.spectral import frames_to_latents

BAND_EDGES_HZ = (0, 300, 700, 1400, 2500, 4500, 8000, 12000)  # the last band ends at Nyquist
LEVEL_UNIT_DB = 12.0
DELAY_UNIT_S = 0.6e-3
LONGEST_DELAY_S = 1.0e-3
SILENCE = 3e-4  # of a full-scale sine; below it direction is noise, and reported as centre


class StereoImage(NamedTuple):
    """What `analyse` measures, in units of a source at the far right."""

    level: Tensor  # (B, S, T) right over left, 1 = 12 dB
    delay: Tensor  # (B, 1, T) right before left, 1 = 0.6 ms
    width: Tensor  # (B, S, T) 0 = one coherent source, 1 = unrelated ears

    def stacked(self) -> Tensor:
        """-> (B, 2 S + 1, T)"""
        return torch.cat([self.level, self.delay, self.width], dim=1)

    @classmethod
    def unstacked(cls, channels: Tensor) -> "StereoImage":
        """channels: (B, 2 S + 1, T)"""
        bands = len(BAND_EDGES_HZ)
        level, delay, width = torch.split(channels, [bands, 1, bands], dim=1)
        return cls(level, delay, width.clamp(0, 1))


def stereo_channels() -> int:
    """How many latent channels the image takes."""
    return 2 * len(BAND_EDGES_HZ) + 1


def band_of_bins(bins: int, sample_rate: int, like: Tensor) -> Tensor:
    """-> (S, F) one-hot rows: which stereo band a bin belongs to."""
    hertz = torch.linspace(0, sample_rate / 2, bins, device=like.device)
    edges = torch.tensor(BAND_EDGES_HZ[1:], device=like.device, dtype=hertz.dtype)
    return F.one_hot(torch.bucketize(hertz, edges, right=True), len(BAND_EDGES_HZ)).mT.float()


def analyse(spectrum: Tensor, sample_rate: int, per_latent: int) -> StereoImage:
    """spectrum: (B, 2, F, T * P) complex -> image with T latent frames."""
    left, right = spectrum.unbind(dim=1)
    bands = band_of_bins(left.shape[1], sample_rate, left.real)
    power_left, power_right = (_pooled(x.abs() ** 2, bands, per_latent) for x in (left, right))  # (B, S, T)
    cross = frames_to_latents(right * left.conj(), per_latent).sum(dim=-1)  # (B, F, T)
    seconds = arrival_lead(cross, sample_rate)  # (B, T)

    bins = torch.linspace(0, sample_rate / 2, left.shape[1], device=left.device)
    turn = torch.polar(torch.ones(()), -2 * torch.pi * bins[:, None] * seconds[:, None, :])
    aligned = (bands.to(cross) @ (cross * turn)).abs()
    total = power_left + power_right
    floor = SILENCE**2 * per_latent
    audible = total / (total + floor)
    coherence = aligned / (power_left * power_right).sqrt().clamp(min=1e-12)
    level = 10 * torch.log10((power_right + floor / 16) / (power_left + floor / 16)) / LEVEL_UNIT_DB
    loud = (total.sum(dim=1) > floor).to(seconds.dtype)
    return StereoImage(
        level=(level * audible).clamp(-3, 3),
        delay=(seconds * loud / DELAY_UNIT_S)[:, None],
        width=((1 - coherence).clamp(0, 1) * audible),
    )


def _pooled(power: Tensor, bands: Tensor, per_latent: int) -> Tensor:
    """power: (B, F, T * P) -> (B, S, T) summed over a band and a latent frame."""
    return bands @ frames_to_latents(power, per_latent).sum(dim=-1)


def arrival_lead(cross: Tensor, sample_rate: int, upsampling: int = 4) -> Tensor:
    """cross: (B, F, T) right times conjugate left -> (B, T) seconds by which the right ear leads (GCC-PHAT).

    Bins 50 dB below the loudest do not vote; a peak that does not stand out (diffuse sound) counts as no delay.
    """
    smooth = _over_time(cross)
    strength = smooth.abs()
    heard = strength > 1e-5 * strength.amax(dim=1, keepdim=True).clamp(min=1e-20)
    phat = torch.where(heard, smooth / strength.clamp(min=1e-20), 0)
    size = 2 * (cross.shape[1] - 1) * upsampling
    # a lead of the right ear turns its phase forward, which irfft shows at negative lags: hence the conjugate
    correlation = torch.fft.irfft(phat.conj(), n=size, dim=1)
    reach = int(LONGEST_DELAY_S * sample_rate * upsampling)
    near = torch.cat([correlation[:, -reach:], correlation[:, : reach + 1]], dim=1)  # (B, 2 reach + 1, T)
    value, index = near.max(dim=1)
    share = value * size / (2 * heard.sum(dim=1).clamp(min=1))  # 1 where every bin agrees
    left, right = (near.gather(1, (index + step).clamp(0, 2 * reach)[:, None])[:, 0] for step in (-1, 1))
    bend = (left - 2 * value + right).clamp(max=-1e-12)
    offset = (0.5 * (left - right) / bend).clamp(-0.5, 0.5)
    seconds = (index - reach + offset) / (sample_rate * upsampling)
    return torch.where(share > 0.15, seconds, 0)


def _over_time(cross: Tensor) -> Tensor:
    """Average over three latent frames, weighted by strength as sums are: one frame is too short for a stable delay."""
    padded = F.pad(torch.view_as_real(cross), (0, 0, 1, 1))
    summed = padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]
    return torch.view_as_complex(summed.contiguous())


def spread(
    spectrum: Tensor, image: StereoImage, sample_rate: int, generator: torch.Generator | None = None
) -> Tensor:
    """spectrum: (B, F, K) complex of the mean power, image over T latent frames -> (B, 2, F, K) complex."""
    bins, frames = spectrum.shape[1:]
    bands = band_of_bins(bins, sample_rate, spectrum.real)
    level = bands.mT @ _to_frames(image.level, frames) * LEVEL_UNIT_DB  # (B, F, K)
    width = bands.mT @ _to_frames(image.width, frames)
    seconds = _to_frames(image.delay, frames) * DELAY_UNIT_S  # (B, 1, K)

    ratio = 10 ** (level / 10)  # right power over left power
    gain_left, gain_right = (2 / (1 + ratio)).sqrt(), (2 * ratio / (1 + ratio)).sqrt()
    hertz = torch.linspace(0, sample_rate / 2, bins, device=spectrum.device)[None, :, None]
    half_turn = torch.polar(torch.ones(()), torch.pi * hertz * seconds)
    middle = spectrum * (1 - width / 2).sqrt()
    side = _decorrelated(spectrum, generator) * (width / 2).sqrt()
    return torch.stack(
        [gain_left * (middle + side) * half_turn.conj(), gain_right * (middle - side) * half_turn], dim=1
    )


def _to_frames(channels: Tensor, frames: int) -> Tensor:
    """(B, S, T) -> (B, S, K): hold each latent's value over its frames, with soft edges."""
    return F.interpolate(channels, size=frames, mode="linear", align_corners=False)


def _decorrelated(spectrum: Tensor, generator: torch.Generator | None) -> Tensor:
    """Same power, unrelated phase: every bin turned by its own fixed angle and taken two frames late."""
    generator = generator or torch.Generator(spectrum.device).manual_seed(1)
    angle = torch.rand(spectrum.shape[1], generator=generator, device=spectrum.device) * (2 * torch.pi)
    turned = spectrum * torch.polar(torch.ones(()), angle)[:, None]
    return torch.cat([torch.zeros_like(turned[..., :2]), turned[..., :-2]], dim=-1)
