"""Train the published waveform codec, at any size, on the recordings of the corpus: spectra first, then a critic too.

Shapes: B batch, N samples, C latent channels, T latent frames, F frequencies, K frames.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from prismaudio.config import Config
from prismaudio.models.discriminator import (
    FFT_SIZES,
    Discriminator,
    Opinion,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
)
from prismaudio.models.oobleck import OobleckVAE, Posterior, ResidualUnit
from prismaudio.models.spectral_loss import stereo_spectral_loss
from prismaudio.models.weight_norm import add_weight_norm, fold_weight_norm
from prismaudio.stage.corpus import SAMPLE_RATE, Corpus, Recording, read_sound
from prismaudio.stage.mix import pan
from prismaudio.training.ema import EMA
from prismaudio.training.loop import (
    LoopConfig,
    Stateful,
    descend,
    learning_rate,
    make_optimizer,
    run,
    set_rate,
)
from prismaudio.training.show import show

PUBLISHED_PRESET = Path(__file__).with_name("presets") / "oobleck-published.toml"
RESIDUAL_SCALE = 0.1
HELD_OUT_CROPS = 16
SHOWN_CROPS = 4
SILENT_POWER = 1e-7  # -70 dB
TRIES = 8


class OobleckConfig(Config):
    """The size of the waveform codec; the published one has 128 channels."""

    channels: PositiveInt = 32
    multipliers: tuple[PositiveInt, ...] = (1, 2, 4, 8, 16)
    strides: tuple[PositiveInt, ...] = (2, 4, 4, 8, 8)
    latent_channels: PositiveInt = 64

    @model_validator(mode="after")
    def _fits(self) -> "OobleckConfig":
        if len(self.multipliers) != len(self.strides):
            raise ValueError("multipliers and strides differ in number; give one of each per block")
        if any(stride % 2 for stride in self.strides):
            raise ValueError("an odd stride loses samples, which cannot be compared; give even strides")
        return self

    def build(self) -> OobleckVAE:
        return OobleckVAE(audio_channels=2, sample_rate=SAMPLE_RATE, **self.model_dump())


class CriticConfig(Config):
    width: PositiveInt = 16
    fft_sizes: tuple[PositiveInt, ...] = FFT_SIZES
    start: NonNegativeInt = Field(20_000, description="step from which the critic learns and is listened to")
    rate_factor: PositiveFloat = Field(2.0, description="its learning rate, relative to the codec's")


class LossWeights(Config):
    """Relative to the spectral loss."""

    divergence: NonNegativeFloat = 1e-4
    divergence_warmup: NonNegativeInt = Field(5_000, description="steps over which the weight grows from 0")
    adversarial: NonNegativeFloat = 0.1
    feature_matching: NonNegativeFloat = 2.0


class OobleckTrainingConfig(Config):
    model: OobleckConfig = OobleckConfig()
    critic: CriticConfig = CriticConfig()
    weights: LossWeights = LossWeights()
    crop_latents: PositiveInt = 32
    loop: LoopConfig = LoopConfig(
        steps=100_000,
        batch_size=16,
        learning_rate=3e-4,
        warmup=1000,
        betas=(0.8, 0.99),
        checkpoint_every=1000,
        validate_every=1000,
    )

    @model_validator(mode="after")
    def _critic_can_hear(self) -> "OobleckTrainingConfig":
        samples = self.crop_latents * math.prod(self.model.strides)
        if samples <= max(self.critic.fft_sizes) // 2:
            raise ValueError(f"crops of {samples} samples are too short for the critic's largest FFT")
        return self


def train_oobleck(config: OobleckTrainingConfig, corpus: Corpus, folder: Path) -> OobleckVAE:
    """-> the codec with averaged weights, folded; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    vae = config.model.build()
    length = config.crop_latents * vae.hop
    crops, held_out = (
        StereoCrops([r for r in corpus.recordings if r.split == split], length, config.loop.seed + number)
        for number, split in enumerate(("train", "validation"))
    )
    learner = AdversarialDescent(config, vae, torch.stack([held_out[i] for i in range(HELD_OUT_CROPS)]))
    run(learner, crops, config.loop, folder)
    averaged = learner.ema.model.vae
    assert isinstance(averaged, OobleckVAE)
    fold_weight_norm(averaged)
    return averaged


class StereoCrops(Dataset[Tensor]):
    """Endless random crops of recordings: panned, some of them mixed, at several levels, most over a noise floor."""

    def __init__(self, recordings: Sequence[Recording], length: int, seed: int) -> None:
        self.recordings = recordings
        self.length = length
        self.seed = seed

    def __getitem__(self, index: int) -> Tensor:
        """-> (2, N)"""
        rng = np.random.default_rng((self.seed, index))
        sound = self._layer(rng)
        while rng.random() < 0.3:
            sound = sound + self._layer(rng)
        if rng.random() < 0.7:
            floor = np.float32(10 ** rng.uniform(-4.5, -2.5))
            sound = sound + floor * rng.standard_normal(sound.shape, dtype=np.float32)
        return torch.from_numpy(sound / max(float(np.abs(sound).max()), 1.0))

    def _layer(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """A crop as it was recorded or, more often, from somewhere else."""
        crop = self._audible_crop(rng)
        if rng.random() < 0.7:
            crop = pan(crop.mean(axis=0), rng.uniform(-1, 1, size=1).astype(np.float32))
        peak = 10 ** rng.uniform(-1.5, 0) / max(float(np.abs(crop).max()), 1e-3)
        return (peak * crop).astype(np.float32)

    def _audible_crop(self, rng: np.random.Generator) -> NDArray[np.float32]:
        for _ in range(TRIES):
            crop = self._crop(rng)
            if float(np.square(crop).mean()) > SILENT_POWER:
                break
        return crop

    def _crop(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """A short recording is somewhere in silence; a long one may begin or end in the crop."""
        source = read_sound(self.recordings[int(rng.integers(len(self.recordings)))].path)
        slack = source.shape[1] - self.length
        beyond = self.length // 4 if slack > 0 else 0
        start = int(rng.integers(min(slack, 0) - beyond, max(slack, 0) + beyond + 1))
        first, last = max(start, 0), min(start + self.length, source.shape[1])
        crop = np.zeros((2, self.length), np.float32)
        crop[:, first - start : last - start] = source[:, first:last]
        return crop


class AdversarialDescent:
    """Codec and critic in turns: each pass first teaches the critic, then the codec, on the same sounds."""

    accelerator: Accelerator

    def __init__(self, config: OobleckTrainingConfig, vae: OobleckVAE, held_out: Tensor) -> None:
        """held_out: (B, 2, N); `vae` gets weight normalisation and calm residual branches."""
        self.config = config
        self.held_out = held_out
        calm_residual_branches(vae)
        add_weight_norm(vae)
        self.codec = Roundtrip(vae)
        self.critic = Discriminator(2, config.critic.width, config.critic.fft_sizes)
        self.ema = EMA(self.codec, config.loop.ema_decay)
        self.optimizer = make_optimizer(self.codec, config.loop)
        self.critic_optimizer = make_optimizer(self.critic, config.loop)

    def parts(self) -> Mapping[str, Stateful]:
        return {
            "model": self.codec,
            "ema": self.ema.model,
            "optimizer": self.optimizer,
            "critic": self.critic,
            "critic_optimizer": self.critic_optimizer,
        }

    def prepare(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.ema.model.to(accelerator.device)
        self.wrapped, self.wrapped_optimizer = accelerator.prepare(self.codec, self.optimizer)
        self.wrapped_critic, self.wrapped_critic_optimizer = accelerator.prepare(
            self.critic, self.critic_optimizer
        )

    def learn(self, batch: Tensor, generator: torch.Generator, step: int) -> dict[str, Tensor]:
        """batch: (B, 2, N)"""
        config = self.config
        set_rate(self.optimizer, learning_rate(config.loop, step))
        set_rate(self.critic_optimizer, critic_learning_rate(config, step))
        with self.accelerator.accumulate(self.wrapped, self.wrapped_critic):
            posterior, decoded = self.wrapped(batch, generator)
            losses = {}
            if step >= config.critic.start:
                losses["critic"] = self._teach_critic(batch, decoded.detach(), step)
            losses |= self.codec_losses(batch, posterior, decoded, step)
            descend(
                self.accelerator,
                self.wrapped,
                self.wrapped_optimizer,
                losses["loss"],
                config.loop.clip_norm,
                step,
            )
        return losses

    def _teach_critic(self, real: Tensor, made: Tensor, step: int) -> Tensor:
        """Both in one pass, which is what distributed wrappers expect."""
        opinions = halves(self.wrapped_critic(torch.cat([real, made])))
        loss = discriminator_loss(opinions.real, opinions.made)
        clip_norm = self.config.loop.clip_norm
        descend(self.accelerator, self.wrapped_critic, self.wrapped_critic_optimizer, loss, clip_norm, step)
        return loss

    def codec_losses(
        self, audio: Tensor, posterior: Posterior, decoded: Tensor, step: int
    ) -> dict[str, Tensor]:
        """audio, decoded: (B, 2, N); all parts, and their weighted sum as `loss`. The critic gets no gradient."""
        weights = self.config.weights
        spectral, divergence = stereo_spectral_loss(audio, decoded.float()), posterior.divergence()
        warm = min(1.0, step / max(weights.divergence_warmup, 1))
        losses = {"spectral": spectral, "kl": divergence}
        total = spectral + warm * weights.divergence * divergence
        if step >= self.config.critic.start:
            critic = self.accelerator.unwrap_model(self.wrapped_critic)
            with frozen(critic):
                real, made = critic(audio), critic(decoded)
            losses["adversarial"] = adversarial_loss(made)
            losses["feature_matching"] = feature_matching_loss(real, made)
            total = total + weights.adversarial * losses["adversarial"]
            total = total + weights.feature_matching * losses["feature_matching"]
        return {"loss": total, **losses}

    def average(self, step: int) -> None:
        self.ema.update(self.codec, step)

    @torch.no_grad()
    def validate(self, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        """Held-out crops through the means of the averaged codec; some of them as sound and picture."""
        vae: OobleckVAE = self.ema.model.vae  # type: ignore[assignment]  # a Roundtrip
        distances, divergences = [], []
        for number, audio in enumerate(self.held_out.to(self.accelerator.device)[:, None]):
            posterior = vae.posterior(audio)
            decoded = vae.decode(posterior.mean)
            distances.append(stereo_spectral_loss(audio, decoded))
            divergences.append(posterior.divergence())
            if number < SHOWN_CROPS:
                show(writer, f"validation/{number + 1}", audio[0], decoded[0], step)
        return {
            "spectral": float(torch.stack(distances).mean()),
            "kl": float(torch.stack(divergences).mean()),
        }


class Roundtrip(nn.Module):
    """The codec as one forward pass, which is what distributed wrappers wrap."""

    def __init__(self, vae: OobleckVAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, audio: Tensor, generator: torch.Generator) -> tuple[Posterior, Tensor]:
        """audio: (B, 2, N), whole latent frames -> what is believed of the latents, and (B, 2, N)"""
        posterior = self.vae.posterior(audio)
        return posterior, self.vae.decode(posterior.sample(generator))


@torch.no_grad()
def calm_residual_branches(vae: OobleckVAE, scale: float = RESIDUAL_SCALE) -> None:
    """Let each residual unit begin near the identity: a stack of full ones inflates the latents."""
    for unit in vae.modules():
        if isinstance(unit, ResidualUnit):
            last = unit[-1]
            assert isinstance(last, nn.Conv1d)
            for parameter in last.parameters():
                parameter.mul_(scale)


def critic_learning_rate(config: OobleckTrainingConfig, step: int) -> float:
    """The codec's schedule times a factor, with a warm-up of its own from where the critic starts."""
    warm = min(1.0, max(0, step - config.critic.start + 1) / max(config.loop.warmup, 1))
    return config.critic.rate_factor * warm * learning_rate(config.loop, step)


class Opinions(NamedTuple):
    real: list[Opinion]
    made: list[Opinion]


def halves(opinions: Sequence[Opinion]) -> Opinions:
    """Of a batch whose first half is recorded, whose second is made."""
    split = [(o.logits.chunk(2), [feature.chunk(2) for feature in o.features]) for o in opinions]
    real, made = (
        [Opinion(logits[side], [feature[side] for feature in features]) for logits, features in split]
        for side in range(2)
    )
    return Opinions(real, made)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """What is computed inside gives the module's parameters no gradient."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)
