"""Train the embedded codec: log-mels of the corpus, cut, mixed and filtered at random, through `MelVAE` and back."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from prismaudio.config import Config
from prismaudio.models.mel_codec import FRAMES_PER_LATENT, MelStereoCodec, MelVAE
from prismaudio.stage.corpus import SAMPLE_RATE, Corpus, Split, read_sound
from prismaudio.training.loop import LoopConfig, train
from prismaudio.training.scenes import PreparedScene

SPEEDS = (0.85, 1.0, 1.18)
SILENT_NATS = -16.1


class CodecModelConfig(Config):
    """The size of the embedded codec."""

    mel_bands: PositiveInt = 128
    mel_channels: PositiveInt = 64
    width: PositiveInt = 256
    encoder_blocks: PositiveInt = 3
    decoder_blocks: PositiveInt = 5

    def build(self) -> MelStereoCodec:
        return MelStereoCodec(**self.model_dump())


class CodecTrainingConfig(Config):
    model: CodecModelConfig = CodecModelConfig()
    crop_latents: PositiveInt = 48
    divergence_weight: NonNegativeFloat = 3e-4
    loop: LoopConfig = LoopConfig(
        steps=4800,
        batch_size=32,
        learning_rate=1e-3,
        checkpoint_every=200,
        validate_every=500,
        ema_decay=0.999,
    )


class MelCrops(Dataset[dict[str, Tensor]]):
    """Endless random crops of log-mel: recordings at several speeds, with gain, tone, mixing and pauses."""

    def __init__(self, mels: list[Tensor], frames: int, seed: int) -> None:
        self.mels = mels
        self.frames = frames
        self.seed = seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        mel = self._layer(rng)
        while rng.random() < 0.35:
            mel = torch.logaddexp(2 * mel, 2 * self._layer(rng)) / 2
        if rng.random() < 0.7:  # recordings in the wild have a noise floor; digital silence is the exception
            floor = rng.uniform(-14, -7) + _tone(mel.shape[0], rng, 1.5)[:, None]
            grain = torch.from_numpy(rng.standard_normal(mel.shape).astype(np.float32))
            mel = torch.logaddexp(2 * mel, 2 * floor + 0.5 * grain) / 2
        return {"mel": mel.clamp(min=SILENT_NATS)}

    def _layer(self, rng: np.random.Generator) -> Tensor:
        source = self.mels[rng.integers(len(self.mels))].float()
        length = source.shape[1]
        start = int(rng.integers(-self.frames // 2, max(length - self.frames // 2, 1)))
        crop = torch.full((source.shape[0], self.frames), SILENT_NATS)
        first, last = max(start, 0), min(start + self.frames, length)
        crop[:, first - start : last - start] = source[:, first:last]
        gain = rng.uniform(-4.0, 0.7)
        return crop + torch.where(crop > SILENT_NATS + 0.1, gain + _tone(len(crop), rng, 0.5)[:, None], 0.0)


def _tone(bands: int, rng: np.random.Generator, spread: float) -> Tensor:
    """-> (bands,) a smooth random equaliser curve in nats."""
    knots = rng.normal(0, spread, 5)
    return torch.from_numpy(np.interp(np.linspace(0, 4, bands), np.arange(5), knots).astype(np.float32))


def corpus_mels(
    corpus: Corpus, codec: MelStereoCodec, split: Split, speeds: tuple[float, ...] = SPEEDS
) -> list[Tensor]:
    """Log-mels (M, K) of every recording of `split` at every speed, half precision to fit small machines."""
    chosen = [r for r in corpus.recordings if r.split == split]
    return [mel_of(codec, _at_speed(read_sound(r.path), speed)).half() for r in chosen for speed in speeds]


def _at_speed(samples: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
    if speed == 1.0:
        return samples
    return soxr.resample(samples.T, SAMPLE_RATE, SAMPLE_RATE / speed).T.astype(np.float32)


@torch.no_grad()
def mel_of(codec: MelStereoCodec, samples: NDArray[np.float32]) -> Tensor:
    """samples: (2, N) -> (M, K)"""
    return codec.mel(codec.spectrum(torch.from_numpy(np.ascontiguousarray(samples))[None]))[0]


class CodecJob:
    """L1 of log-mel in nats, and a light pull of the latents to N(0, 1)."""

    def __init__(self, divergence_weight: float, held_out: Tensor) -> None:
        self.divergence_weight = divergence_weight
        self.held_out = held_out

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        mel = batch["mel"]
        posterior, decoded = model(mel, generator)
        distance = (decoded.float() - mel).abs().mean()
        divergence = posterior.divergence().float().mean()
        return {"loss": distance + self.divergence_weight * divergence, "mel_l1": distance, "kl": divergence}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        held_out = self.held_out.to(next(model.parameters()).device)
        vae: MelVAE = model.vae  # type: ignore[assignment]  # _Roundtrip below
        decoded = vae.decode(vae.encode(held_out).mean)
        pair = torch.cat([held_out[0], decoded[0]], dim=1).flip(0)
        writer.add_image("validation/mel", ((pair + 16) / 18).clamp(0, 1)[None], step)
        return {"mel_l1": float((decoded - held_out).abs().mean())}


class _Roundtrip(nn.Module):
    """The VAE as one forward pass, which is what distributed wrappers wrap."""

    def __init__(self, vae: MelVAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, mel: Tensor, generator: torch.Generator):  # type: ignore[no-untyped-def]
        posterior = self.vae.encode(mel)
        return posterior, self.vae.decode(posterior.sample(generator))


def train_codec(config: CodecTrainingConfig, corpus: Corpus, folder: Path) -> MelStereoCodec:
    """-> the codec with averaged weights and measured latent statistics; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    codec = config.model.build()
    frames = config.crop_latents * FRAMES_PER_LATENT
    crops = MelCrops(corpus_mels(corpus, codec, "train"), frames, config.loop.seed)
    held_out = MelCrops(
        corpus_mels(corpus, codec, "validation", speeds=(1.0,)), frames, seed=config.loop.seed + 1
    )
    job = CodecJob(config.divergence_weight, torch.stack([held_out[i]["mel"] for i in range(64)]))
    averaged = train(_Roundtrip(codec.vae), job, crops, config.loop, folder)
    codec.vae.load_state_dict(averaged.vae.state_dict())  # type: ignore[union-attr]  # a _Roundtrip
    return codec.eval()


@torch.no_grad()
def normalise_latents(codec: MelStereoCodec, scenes: Sequence[PreparedScene]) -> None:
    """Set the codec's normalisation to the mean and spread of the latents of `scenes`."""
    rows = [
        torch.cat([codec.vae.encode(mel.float()[None]).mean[0], image.float()])
        for scene in scenes
        for mel, image in zip(scene.mels, scene.images, strict=True)
    ]
    latents = torch.cat(rows, dim=1)
    codec.latent_mean.copy_(latents.mean(dim=1))
    codec.latent_std.copy_(latents.std(dim=1).clamp(min=1e-3))
