"""The critic of codec training: does this spectrum come from a recording or from the decoder?

Complex spectra at several resolutions, each read by a small two-dimensional network (EnCodec, 2210.13438);
hinge losses and feature matching (MelGAN, arXiv 1910.06711).

Shapes: B batch, A audio channels, N samples, K spectral frames, F frequencies, W channels of a layer.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from prismaudio.models.weight_norm import add_weight_norm

FFT_SIZES = (2048, 1024, 512, 256, 128)
TIME_DILATIONS = (1, 2, 4)
SLOPE = 0.2


class Opinion(NamedTuple):
    """What one resolution thinks of each place of a spectrum, and how it got there."""

    logits: Tensor  # (B, 1, K, F'), above 0: real
    features: list[Tensor]  # (B, W, K, F') of each layer


class Discriminator(nn.Module):
    """One reader per resolution; both channels are read together, so that direction is judged as well."""

    def __init__(self, audio_channels: int, width: int, fft_sizes: Sequence[int] = FFT_SIZES) -> None:
        super().__init__()
        self.readers = nn.ModuleList(SpectrumReader(audio_channels, width, size) for size in fft_sizes)
        add_weight_norm(self)

    def forward(self, audio: Tensor) -> list[Opinion]:
        """audio: (B, A, N), N more than half the largest FFT -> one opinion per resolution"""
        return [reader(audio) for reader in self.readers]


class SpectrumReader(nn.Module):
    """Convolutions over a complex spectrum; dilated in time, striding over frequency."""

    window: Tensor

    def __init__(self, audio_channels: int, width: int, fft_size: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(fft_size), persistent=False)
        self.layers = nn.ModuleList([nn.Conv2d(2 * audio_channels, width, (3, 9), padding=(1, 4))])
        for dilation in TIME_DILATIONS:
            self.layers.append(
                nn.Conv2d(width, width, (3, 9), stride=(1, 2), dilation=(dilation, 1), padding=(dilation, 4))
            )
        self.layers.append(nn.Conv2d(width, width, 3, padding=1))
        self.verdict = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, audio: Tensor) -> Opinion:
        """audio: (B, A, N)"""
        h, features = self.spectrum(audio), []
        for layer in self.layers:
            h = F.leaky_relu(layer(h), SLOPE)
            features.append(h)
        return Opinion(self.verdict(h), features)

    def spectrum(self, audio: Tensor) -> Tensor:
        """audio: (B, A, N) -> (B, 2A, K, F): real and imaginary parts become channels"""
        size = len(self.window)
        complex_spectrum = torch.stft(
            audio.flatten(0, 1).float(),
            size,
            size // 4,
            window=self.window,
            normalized=True,
            return_complex=True,
        )
        parts = torch.view_as_real(complex_spectrum)
        return rearrange(parts, "(b a) f k c -> b (a c) k f", a=audio.shape[1])


def discriminator_loss(real: Sequence[Opinion], made: Sequence[Opinion]) -> Tensor:
    """Hinge loss that teaches the critic, mean over resolutions: (). `made` comes from detached audio."""
    losses = [
        F.relu(1 - r.logits).mean() + F.relu(1 + m.logits).mean() for r, m in zip(real, made, strict=True)
    ]
    return torch.stack(losses).mean()


def adversarial_loss(made: Sequence[Opinion]) -> Tensor:
    """What the decoder wants: opinions above zero, mean over resolutions: ()"""
    return -torch.stack([opinion.logits.mean() for opinion in made]).mean()


def feature_matching_loss(real: Sequence[Opinion], made: Sequence[Opinion]) -> Tensor:
    """Distance of what the critic sees in both, relative to what it sees in the recording: ()"""
    distances = [
        (b - a.detach()).abs().mean() / a.detach().abs().mean().clamp(min=1e-6)
        for r, m in zip(real, made, strict=True)
        for a, b in zip(r.features, m.features, strict=True)
    ]
    return torch.stack(distances).mean()
