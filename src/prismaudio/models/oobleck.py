"""The published waveform codec: Oobleck, the VAE of Stable Audio 2.0 (arXiv 2404.10301, model.md 1).

Shapes: B batch, A audio channels, N samples, C latent channels, T latent frames, W channels of a layer.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prismaudio.models.kernels import snake

DILATIONS = (1, 3, 9)
SMALLEST_SCALE = 1e-4


class Posterior(NamedTuple):
    """The Gaussian an encoder believes a latent to come from."""

    mean: Tensor  # (B, C, T)
    std: Tensor  # (B, C, T)

    def sample(self, generator: torch.Generator) -> Tensor:
        """-> (B, C, T), drawn on the generator's device."""
        noise = torch.randn(self.mean.shape, generator=generator, device=generator.device)
        return noise.to(self.mean) * self.std + self.mean

    def divergence(self) -> Tensor:
        """Twice the Kullback-Leibler divergence to N(0, 1), summed over channels, mean over the rest: ()

        The published training term; it leaves out the factor 1/2 of the definition.
        """
        variance = self.std**2
        return (self.mean**2 + variance - variance.log() - 1).sum(dim=1).mean()


class OobleckVAE(nn.Module):
    """Stereo waveform <-> latent frames of `hop` samples, by strided convolutions and periodic activations.

    Built with plain weights, ready to use; `weight_norm.add_weight_norm` makes it the form that is trained.
    """

    def __init__(
        self,
        audio_channels: int,
        channels: int,
        multipliers: Sequence[int],
        strides: Sequence[int],
        latent_channels: int,
        sample_rate: int,
    ) -> None:
        super().__init__()
        widths = [channels * multiplier for multiplier in (1, *multipliers)]
        self.encoder = build_encoder(audio_channels, widths, strides, latent_channels)
        self.decoder = build_decoder(audio_channels, widths, strides, latent_channels)
        self.latent_channels = latent_channels
        self.sample_rate = sample_rate
        self.strides = tuple(strides)
        self.hop = math.prod(strides)

    def posterior(self, audio: Tensor) -> Posterior:
        """audio: (B, A, N) -> (B, C, T). A layer drops samples that fill no stride: give whole frames."""
        mean, scale = self.encoder(audio).chunk(2, dim=1)
        return Posterior(mean, F.softplus(scale) + SMALLEST_SCALE)

    def encode(self, audio: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """audio: (B, A, N) -> (B, C, ceil(N / hop)), silence filling the last frame.

        The mean of the posterior without a generator; a sample, as the published code always draws, with one.
        """
        posterior = self.posterior(F.pad(audio, (0, -audio.shape[-1] % self.hop)))
        return posterior.mean if generator is None else posterior.sample(generator)

    def decode(self, latents: Tensor) -> Tensor:
        """latents: (B, C, T) -> (B, A, T * hop). An odd stride costs some samples at the end."""
        return self.decoder(latents.to(next(self.decoder.parameters())))

    def decode_pieces(self, latents: Tensor, frames: int) -> Iterator[Tensor]:
        """The sound of `decode`, `frames` latent frames at a time, so that long sounds need little memory.

        Each piece sees as many neighbours on both sides as can reach into it: exact, not cross-faded.
        """
        context, total = decoder_reach(self.strides), latents.shape[-1]
        for start in range(0, total, frames):
            stop, first = min(start + frames, total), max(start - context, 0)
            piece = self.decode(latents[..., first : stop + context])
            end = None if stop == total else (stop - first) * self.hop
            yield piece[..., (start - first) * self.hop : end]


class SnakeBeta(nn.Module):
    """The periodic activation x + sin^2(a x) / b; a and b are kept as logarithms (arXiv 2006.08195)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(width))
        self.beta = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, W, N) -> (B, W, N)"""
        return snake(x, self.alpha, self.beta)


class ResidualUnit(nn.Sequential):
    """Looks 3 * dilation samples to each side and adds what it finds."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__(
            SnakeBeta(width),
            nn.Conv1d(width, width, 7, dilation=dilation, padding=3 * dilation),
            SnakeBeta(width),
            nn.Conv1d(width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, W, N) -> (B, W, N)"""
        h = x
        for layer in self:
            h = layer(h)
        return x + h


def build_encoder(
    audio_channels: int, widths: list[int], strides: Sequence[int], latent_channels: int
) -> nn.Sequential:
    """(B, A, N) -> (B, 2C, T): means, then raw scales."""
    return nn.Sequential(
        nn.Conv1d(audio_channels, widths[0], 7, padding=3),
        *(_downsample(a, b, s) for a, b, s in zip(widths, widths[1:], strides, strict=False)),
        SnakeBeta(widths[-1]),
        nn.Conv1d(widths[-1], 2 * latent_channels, 3, padding=1),
    )


def build_decoder(
    audio_channels: int, widths: list[int], strides: Sequence[int], latent_channels: int
) -> nn.Sequential:
    """(B, C, T) -> (B, A, N), the mirror image."""
    widths, strides = widths[::-1], strides[::-1]
    return nn.Sequential(
        nn.Conv1d(latent_channels, widths[0], 7, padding=3),
        *(_upsample(a, b, s) for a, b, s in zip(widths, widths[1:], strides, strict=False)),
        SnakeBeta(widths[-1]),
        nn.Conv1d(widths[-1], audio_channels, 7, padding=3, bias=False),
    )


def _downsample(width: int, out_width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        *(ResidualUnit(width, dilation) for dilation in DILATIONS),
        SnakeBeta(width),
        nn.Conv1d(width, out_width, 2 * stride, stride=stride, padding=math.ceil(stride / 2)),
    )


def _upsample(width: int, out_width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        SnakeBeta(width),
        nn.ConvTranspose1d(width, out_width, 2 * stride, stride=stride, padding=math.ceil(stride / 2)),
        *(ResidualUnit(out_width, dilation) for dilation in DILATIONS),
    )


def decoder_reach(strides: Sequence[int]) -> int:
    """How many latent frames to each side of a frame can change its samples: 10 for the published strides."""
    reach = 3  # the last convolution, in samples
    for stride in strides:
        reach += 3 * sum(DILATIONS)
        padding = math.ceil(stride / 2)
        before = (reach + 2 * stride - 1 - padding) // stride
        after = (reach + padding - 1) // stride + 1
        reach = max(before, after)
    return reach + 3
