"""The embedded codec: a small VAE of the log-mel spectrum, explicit stereo, phase by signal processing.

A waveform codec needs an accelerator for days; this one learns on two CPU cores in half an hour, because it only has to
learn how energy is distributed. Direction travels beside the energy as parametric stereo (`stereo.py`).

Shapes: B batch, N samples, M mel bands, K spectral frames, T latent frames (4 K), C latent channels, W width.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prismaudio.models.spectral import griffin_lim, istft, log_mel, mel_filters, power_from_log_mel, stft
from prismaudio.models.stereo import StereoImage, analyse, spread, stereo_channels

WINDOW = 2048
FRAME_HOP = 512
FRAMES_PER_LATENT = 4
SHARED = 32  # latent frames that pieces decoded one after the other have in common
FADE = 8  # frames in the middle of them, over which one piece hands over to the next
MEL_CENTRE, MEL_SCALE = -7.0, 2.5  # about the mean and spread of the log-mel of recordings, in nats


class MelPosterior(NamedTuple):
    mean: Tensor  # (B, C, T)
    log_variance: Tensor  # (B, C, T)

    def sample(self, generator: torch.Generator) -> Tensor:
        noise = torch.randn(
            self.mean.shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype
        )
        return self.mean + noise * torch.exp(0.5 * self.log_variance)

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence to N(0, 1): (B, T), summed over channels (Kingma & Welling 2014, appendix B)."""
        return 0.5 * (self.mean**2 + self.log_variance.exp() - self.log_variance - 1).sum(dim=1)


class ConvBlock(nn.Module):
    """ConvNeXt in one dimension: a wide depthwise look at the neighbours, then a feed-forward per frame."""

    def __init__(self, width: int, kernel: int = 7) -> None:
        super().__init__()
        self.neighbours = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))
        self.gain = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, W, T) -> (B, W, T)"""
        h = self.norm(self.neighbours(x).mT)
        return x + (self.gain * self.feed_forward(h)).mT


class MelVAE(nn.Module):
    """Log-mel frames <-> a latent a quarter as long."""

    def __init__(
        self, mel_bands: int, latent_channels: int, width: int, encoder_blocks: int, decoder_blocks: int
    ) -> None:
        super().__init__()
        fine = width // 2
        self.encoder = nn.Sequential(
            nn.Conv1d(mel_bands, fine, 3, padding=1),
            ConvBlock(fine),
            nn.Conv1d(fine, width, FRAMES_PER_LATENT, stride=FRAMES_PER_LATENT),
            *[ConvBlock(width) for _ in range(encoder_blocks)],
            nn.Conv1d(width, 2 * latent_channels, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv1d(latent_channels, width, 3, padding=1),
            *[ConvBlock(width) for _ in range(decoder_blocks)],
            nn.ConvTranspose1d(width, fine, FRAMES_PER_LATENT, stride=FRAMES_PER_LATENT),
            ConvBlock(fine),
            ConvBlock(fine),
            nn.Conv1d(fine, mel_bands, 3, padding=1),
        )

    def encode(self, mel: Tensor) -> MelPosterior:
        """mel: (B, M, 4 T) nats -> posterior over (B, C, T)"""
        mean, log_variance = self.encoder((mel - MEL_CENTRE) / MEL_SCALE).chunk(2, dim=1)
        return MelPosterior(mean, log_variance.clamp(-12, 4))

    def decode(self, latents: Tensor) -> Tensor:
        """latents: (B, C, T) -> (B, M, 4 T) nats"""
        return self.decoder(latents) * MEL_SCALE + MEL_CENTRE


class MelStereoCodec(nn.Module):
    """Stereo sound <-> normalised latents: `mel_channels` of learned spectrum, then the stereo image. A `Codec`."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(
        self,
        sample_rate: int = 44100,
        mel_bands: int = 128,
        mel_channels: int = 64,
        width: int = 256,
        encoder_blocks: int = 3,
        decoder_blocks: int = 5,
        phase_rounds: int = 60,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.mel_bands = mel_bands
        self.mel_channels = mel_channels
        self.latent_channels = mel_channels + stereo_channels()
        self.hop = FRAME_HOP * FRAMES_PER_LATENT
        self.phase_rounds = phase_rounds
        self.vae = MelVAE(mel_bands, mel_channels, width, encoder_blocks, decoder_blocks)
        self.register_buffer("latent_mean", torch.zeros(self.latent_channels))
        self.register_buffer("latent_std", torch.ones(self.latent_channels))

    def encode(self, audio: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """audio: (B, 2, N) in [-1, 1] -> (B, C, ceil(N / hop)) normalised latents; a sample if given a generator."""
        spectrum = self.spectrum(audio)
        posterior = self.vae.encode(self.mel(spectrum))
        learned = posterior.mean if generator is None else posterior.sample(generator)
        image = analyse(spectrum, self.sample_rate, FRAMES_PER_LATENT)
        return self.normalise(torch.cat([learned, image.stacked()], dim=1))

    def decode(self, latents: Tensor) -> Tensor:
        """latents: (B, C, T) normalised -> (B, 2, T * hop)"""
        learned, image = self.split(latents)
        mel = self.vae.decode(learned)
        return self.synthesise(mel, image)

    def decode_pieces(self, latents: Tensor, frames: int) -> Iterator[Tensor]:
        """The same sound, `frames` latent frames at a time, (B, 2, n) each; phase differs from `decode`'s.

        Phase is guessed for all of a piece at once, so neighbours are guessed with a stretch in common and handed over
        in the middle of it.
        """
        total, ready = latents.shape[-1], None
        for first in range(0, max(total - SHARED, 1), max(frames - SHARED, SHARED)):
            last = min(first + max(frames, 2 * SHARED), total)
            piece = self.decode(latents[..., first:last])
            if ready is not None:
                skipped, faded = (SHARED - FADE) // 2 * self.hop, FADE * self.hop
                piece = piece[..., skipped:]
                joint = cross_fade(ready[..., :faded], piece[..., :faded])
                piece = torch.cat([joint, piece[..., faded:]], dim=-1)
            kept = piece.shape[-1] - (0 if last == total else (SHARED + FADE) // 2 * self.hop)
            ready = piece[..., kept:]
            yield piece[..., :kept]

    def synthesise(self, mel: Tensor, image: StereoImage) -> Tensor:
        """mel: (B, M, 4 T) nats, image over T -> (B, 2, T * hop). The codec's ceiling is this, fed with a true mel."""
        power = power_from_log_mel(mel.float(), self._filters(mel))
        magnitude = power.clamp(min=0).sqrt()
        magnitude = torch.cat([magnitude, magnitude[..., -1:]], dim=-1)  # K + 1 frames span K hops
        spectrum = griffin_lim(magnitude, WINDOW, FRAME_HOP, self.phase_rounds)
        return istft(spread(spectrum, image, self.sample_rate), WINDOW, FRAME_HOP, mel.shape[-1] * FRAME_HOP)

    def spectrum(self, audio: Tensor) -> Tensor:
        """audio: (B, 2, N) -> (B, 2, F, 4 T) complex, zero-padded to whole latent frames."""
        padded = F.pad(audio, (0, -audio.shape[-1] % self.hop))
        return stft(padded, WINDOW, FRAME_HOP)[..., :-1]

    def mel(self, spectrum: Tensor) -> Tensor:
        """spectrum: (B, 2, F, K) -> (B, M, K) nats, of the mean power of both ears (a mono mix would comb-filter)."""
        return log_mel((spectrum.abs() ** 2).mean(dim=1), self._filters(spectrum.real))

    def normalise(self, raw: Tensor) -> Tensor:
        return (raw - self.latent_mean[:, None]) / self.latent_std[:, None]

    def split(self, latents: Tensor) -> tuple[Tensor, StereoImage]:
        """latents: (B, C, T) normalised -> raw learned channels (B, C_mel, T) and the stereo image."""
        raw = latents.to(self.latent_mean) * self.latent_std[:, None] + self.latent_mean[:, None]
        return raw[:, : self.mel_channels], StereoImage.unstacked(raw[:, self.mel_channels :])

    def _filters(self, like: Tensor) -> Tensor:
        return mel_filters(self.mel_bands, WINDOW, self.sample_rate).to(like)


def cross_fade(before: Tensor, after: Tensor) -> Tensor:
    """(B, 2, N), (B, 2, N) -> (B, 2, N) at constant power, whether the two agree in phase or not."""
    rise = torch.linspace(0, 1, before.shape[-1], device=before.device)
    ears = (-2, -1)
    power = (before.square().sum(ears, True) * after.square().sum(ears, True)).sqrt().clamp(min=1e-12)
    likeness = ((before * after).sum(ears, True) / power).clamp(0, 1)
    level = ((1 - rise) ** 2 + rise**2 + 2 * likeness * rise * (1 - rise)).sqrt()
    return ((1 - rise) * before + rise * after) / level
