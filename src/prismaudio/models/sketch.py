"""What would be heard of latents of the embedded codec, told from the latents: nothing is played, no phase is guessed.

Playing a sound and listening to it again takes ten times as long as making a judgement of it. The latents hold what the
embedded judges ask for: energy by mel band, and direction. `tests/unit/test_sketch.py` holds a sketch against the sound.

Shapes: B sounds, C latent channels, T latent frames (46 ms), M mel bands, K spectral frames, S stereo bands.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from prismaudio.models import sound_classifier
from prismaudio.models.hearing import (
    FRAME_RATE,
    MEL_BANDS,
    NEAR_PEAK,
    SIZE,
    Heard,
    combined_azimuth,
    marks_of,
)
from prismaudio.models.mel_codec import FRAME_HOP, FRAMES_PER_LATENT, WINDOW, MelStereoCodec
from prismaudio.models.spectral import MAGNITUDE_FLOOR, frames_to_latents, log_mel, mel_filters
from prismaudio.models.stereo import LEVEL_UNIT_DB, StereoImage, band_of_bins

LEVEL = -23.0  # dB of full scale, mean power: judges hear sounds about as loud as they are normalised to
PEAK = 4.0  # times the RMS of the loudest frame: about the largest of 2,048 normal samples


class Sketch(NamedTuple):
    """Of sounds that were never played."""

    heard: Heard
    timbre: Tensor  # (B, 80, K) nats, as `sound_classifier.classifier_mel`
    envelope: Tensor  # (B, 2, K) RMS of either ear at 100 Hz, full scale 1


@torch.no_grad()
def sketch(codec: MelStereoCodec, latents: Tensor) -> Sketch:
    """latents: (B, C, T) normalised -> what is heard of them; each as if it were alone"""
    learned, image = codec.split(latents)
    mel = codec.vae.decode(learned).float()
    mel = levelled(mel.clamp(min=math.log(MAGNITUDE_FLOOR)), codec)
    power = torch.exp(2 * mel)
    left, right = ears(power, image, codec)
    frames = mel.shape[-1] * FRAME_HOP * FRAME_RATE // codec.sample_rate + 1
    heard = Heard(
        mel=at_rate(regrouped(power, codec, MEL_BANDS, SIZE), frames, codec.sample_rate),
        azimuth=combined_azimuth(left, right, image.delay[:, 0]),
        energy=left + right,
        marks=overload_marks(_bandwidths(codec.mel_bands, codec.sample_rate).to(power) @ power),
    )
    timbre = regrouped(power, codec, sound_classifier.MEL_BANDS, sound_classifier.STFT_SIZE)
    envelope = F.interpolate(torch.stack([left, right], dim=1).sqrt(), size=frames)
    return Sketch(heard, timbre, envelope)


def shortened(whole: Sketch, codec: MelStereoCodec, seconds: float) -> Sketch:
    """The first `seconds` of it."""
    steps, frames = (round(seconds * codec.sample_rate / hop) for hop in (codec.hop, FRAME_HOP))
    heard, moments = whole.heard, round(seconds * FRAME_RATE)
    return Sketch(
        Heard(
            heard.mel[..., :moments],
            heard.azimuth[:, :steps],
            heard.energy[:, :steps],
            heard.marks,
        ),
        whole.timbre[..., :frames],
        whole.envelope[..., :moments],
    )


def levelled(mel: Tensor, codec: MelStereoCodec) -> Tensor:
    """(B, M, K) nats -> the same at one mean power, as loudness normalisation would have it"""
    power = (torch.exp(2 * mel) * _bandwidths(codec.mel_bands, codec.sample_rate)[:, None]).sum(dim=1)
    present = 10 * torch.log10(power.mean(dim=-1).clamp(min=1e-12))
    gain = (LEVEL - present) / 20 * math.log(10)
    return mel + gain[:, None, None]


def ears(power: Tensor, image: StereoImage, codec: MelStereoCodec) -> tuple[Tensor, Tensor]:
    """power: (B, M, 4 T) of mel bands -> power of the left ear and of the right, (B, T) each"""
    bands = _stereo_bands(codec.mel_bands, codec.sample_rate).to(power)
    pooled = frames_to_latents(bands @ power, FRAMES_PER_LATENT).mean(dim=-1)  # (B, S, T)
    ratio = 10 ** (image.level * LEVEL_UNIT_DB / 10)
    right = pooled * 2 * ratio / (1 + ratio)
    return (2 * pooled - right).sum(dim=1), right.sum(dim=1)


def regrouped(power: Tensor, codec: MelStereoCodec, bands: int, size: int) -> Tensor:
    """power: (B, M, K) of the codec's mel bands -> (B, bands, K) nats of other mel bands over the same spectrum"""
    return log_mel(power, _regrouping(codec.mel_bands, bands, size, codec.sample_rate))


def at_rate(mel: Tensor, frames: int, sample_rate: int) -> Tensor:
    """(B, M, K) at the codec's frames -> (B, M, frames) at 100 Hz, straight between its neighbours"""
    place = torch.arange(frames) * (sample_rate / FRAME_RATE / FRAME_HOP)
    before = place.long().clamp(max=mel.shape[-1] - 1)
    after = (before + 1).clamp(max=mel.shape[-1] - 1)
    return torch.lerp(mel[..., before], mel[..., after], (place - before).to(mel))


def overload_marks(power: Tensor) -> Tensor:
    """power: (B, K) of frames -> (B, 4) as `hearing.overload_marks` of normal samples of these powers

    A codec that guesses phase cannot clip, so that these are marks of a dense sound.
    """
    deviation = power.clamp(min=1e-12).sqrt()
    peak = PEAK * deviation.amax(dim=1, keepdim=True)
    rms = power.mean(dim=1).clamp(min=1e-12).sqrt()
    least = 1 / (2 * FRAME_HOP * power.shape[1])  # the peak itself
    near = [torch.erfc(share * peak / deviation / 2**0.5).mean(dim=1).clamp(min=least) for share in NEAR_PEAK]
    return marks_of(peak[:, 0] / rms, near)


@lru_cache(maxsize=4)
def _spectrum_of_bands(bands: int, sample_rate: int) -> Tensor:
    """-> (F, M): the smooth power spectrum of mel bands, as `spectral.power_from_log_mel` begins with"""
    filters = mel_filters(bands, WINDOW, sample_rate)
    return filters.mT / filters.sum(dim=0, keepdim=True).mT.clamp(min=1e-8)


@lru_cache(maxsize=4)
def _regrouping(bands: int, wanted: int, size: int, sample_rate: int) -> Tensor:
    """-> (wanted, M)"""
    spectrum = _spectrum_of_bands(bands, sample_rate)  # over bins of the codec's window
    bins = F.interpolate(spectrum.mT[None], size=size // 2 + 1, mode="linear", align_corners=True)[0].mT
    return mel_filters(wanted, size, sample_rate) @ bins


@lru_cache(maxsize=4)
def _stereo_bands(bands: int, sample_rate: int) -> Tensor:
    """-> (S, M): power of stereo bands from that of mel bands, of a signal (two thirds of a bin are heard by a window)"""
    spectrum = _spectrum_of_bands(bands, sample_rate)
    return band_of_bins(len(spectrum), sample_rate, spectrum) @ spectrum / 3


@lru_cache(maxsize=4)
def _bandwidths(bands: int, sample_rate: int) -> Tensor:
    """-> (M,): how much of a sound's power a band's mean power stands for"""
    return _stereo_bands(bands, sample_rate).sum(dim=0)
