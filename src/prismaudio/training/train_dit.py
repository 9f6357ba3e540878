"""Train the transformer on prepared stage scenes: flow matching on codec latents, conditions dropped at random.

Shapes: B batch, C latent channels, T latent frames.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from prismaudio.backends.embedded.text import WordTable
from prismaudio.backends.embedded.vision import Projection
from prismaudio.config import Config
from prismaudio.data.features import SYNC_DIM, TEXT_DIM, VIDEO_DIM, ClipFeatures, collate, describe
from prismaudio.dimensions.arms import Arm, tell
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.temporal import Span
from prismaudio.dimensions.window import window
from prismaudio.flow.path import draw_times, flow_loss, interpolate
from prismaudio.flow.sampler import guided, sample, time_grid
from prismaudio.models.checkpoints import load_weights
from prismaudio.models.conditioning import Features, draw_keep
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.stage.corpus import Corpus
from prismaudio.training.loop import LoopConfig, train
from prismaudio.training.scenes import PreparedScene, load_scene, uniform
from prismaudio.training.show import show

SHOWN, SHOWN_STEPS, SHOWN_GUIDANCE = 3, 12, 4.0  # validation scenes to hear, and how they are sampled


class DiTConfig(Config):
    """The size of the transformer; the published one is width 1024, depth 24, heads 16."""

    latent_channels: PositiveInt = 81
    width: PositiveInt = 192
    depth: PositiveInt = 6
    heads: PositiveInt = 3
    video_dim: PositiveInt = VIDEO_DIM
    text_dim: PositiveInt = TEXT_DIM
    sync_dim: PositiveInt = SYNC_DIM

    def build(self) -> ConditionedDiT:
        return ConditionedDiT(**self.model_dump())


class DiTTrainingConfig(Config):
    model: DiTConfig = DiTConfig()
    lengths: tuple[PositiveInt, ...] = Field(
        (64, 96, 194), description="latent frames of a crop, one per batch"
    )
    drop: float = Field(0.1, ge=0, lt=1, description="chance of each condition to be left out")
    arms: dict[Arm, float] = Field(
        {
            Arm.DECOMPOSED: 0.7,
            Arm.MONOLITHIC: 0.12,
            Arm.NONE: 0.06,
            Arm.WITHOUT_SEMANTIC: 0.03,
            Arm.WITHOUT_TEMPORAL: 0.03,
            Arm.WITHOUT_AESTHETIC: 0.03,
            Arm.WITHOUT_SPATIAL: 0.03,
        },
        description="how often a clip is told of that way; never at random, for what is wrong teaches nothing",
    )
    start: Path | None = Field(None, description="a dit.safetensors to go on from, instead of new weights")
    hit_jitter: float = Field(0.012, ge=0, description="seconds; planners are not exact either")
    loop: LoopConfig = LoopConfig(
        steps=4500,
        batch_size=16,
        learning_rate=8e-4,
        warmup=200,
        ema_decay=0.998,
        betas=(0.9, 0.99),
        checkpoint_every=250,
        validate_every=1000,
    )


class Batch(NamedTuple):
    latents: Tensor  # (B, C, T)
    features: Features


class TrainingScene(NamedTuple):
    """What the dataset keeps in memory of a prepared scene."""

    plan: Plan
    video: Tensor  # (V, 128) at 4 fps
    motion: Tensor  # (K, 36) at 25 fps
    latents: tuple[Tensor, ...]  # per take (C, T)


def encode_scene(scene: PreparedScene, codec: MelStereoCodec, projection: Projection) -> TrainingScene:
    """Latents of every take, and pictures at the encoder's rate (each prepared picture shown twice)."""
    latents = []
    for mel, image in zip(scene.mels, scene.images, strict=True):
        learned = codec.vae.encode(mel.float()[None]).mean
        latents.append(codec.normalise(torch.cat([learned, image.float()[None]], dim=1))[0].half())
    video = projection(scene.pictures.float()).repeat_interleave(2, dim=0)
    return TrainingScene(scene.plan, video.half(), scene.motion, tuple(latents))


@torch.no_grad()
def load_training_scenes(
    files: Sequence[Path], codec: MelStereoCodec, projection: Projection
) -> list[TrainingScene]:
    return [encode_scene(load_scene(path), codec, projection) for path in tqdm(files, desc="encoding scenes")]


class SceneCrops(Dataset[tuple[Tensor, ClipFeatures]]):
    """Endless random crops of scenes. All samples of a batch have the same length."""

    def __init__(
        self, scenes: Sequence[TrainingScene], corpus: Corpus, config: DiTTrainingConfig, hop_seconds: float
    ) -> None:
        self.scenes = scenes
        self.corpus = corpus
        self.config = config
        self.hop_seconds = hop_seconds
        self.words = WordTable()

    def __getitem__(self, index: int) -> tuple[Tensor, ClipFeatures]:
        config = self.config
        batch_rng = np.random.default_rng((config.loop.seed, index // config.loop.batch_size, 1))
        length = int(batch_rng.choice(config.lengths))
        rng = np.random.default_rng((config.loop.seed, index, 2))
        scene = self.scenes[int(rng.integers(len(self.scenes)))]
        latents = scene.latents[int(rng.integers(len(scene.latents)))].float()
        length = min(length, latents.shape[1])
        first = uniform(rng, 0, latents.shape[1] - length)
        start, seconds = first * self.hop_seconds, length * self.hop_seconds
        plan = window(scene.plan, start, seconds)
        video = scene.video[round(start * 4) : max(round((start + seconds) * 4), round(start * 4) + 1)]
        motion = scene.motion[round(start * 25) : round((start + seconds) * 25) + 1]
        arm = self._arm(rng)
        text, numbers = tell(self._told(plan, rng), arm)
        features = describe(
            seconds,
            numbers,
            None if rng.random() < 0.1 else video,
            None if rng.random() < 0.2 else motion,
            self.words,
            text="" if arm is Arm.DECOMPOSED and rng.random() < 0.1 else text,
        )
        return latents[:, first : first + length], features

    def _told(self, plan: Plan, rng: np.random.Generator) -> Plan:
        """The plan as a planner or a user might have written it: times slightly off, other words for a class."""
        spans = tuple(jittered(span, self.config.hit_jitter, rng) for span in plan.temporal.spans)
        events = tuple(
            event.model_copy(update={"sound": self._other_words(event.label, event.sound, rng)})
            for event in plan.semantic.events
        )
        return plan.model_copy(
            update={
                "semantic": plan.semantic.model_copy(update={"events": events}),
                "temporal": plan.temporal.model_copy(update={"spans": spans}),
            }
        )

    def _other_words(self, label: str | None, sound: str, rng: np.random.Generator) -> str:
        known = self.corpus.classes.get(label or "")
        if known is None or rng.random() < 0.7:
            return sound
        return str(rng.choice([known.noun, f"{known.noun} {known.verb}", known.name.replace("_", " ")]))

    def _arm(self, rng: np.random.Generator) -> Arm:
        names, shares = list(self.config.arms), np.array(list(self.config.arms.values()))
        return names[int(rng.choice(len(names), p=shares / shares.sum()))]

    @staticmethod
    def collate(samples: Sequence[tuple[Tensor, ClipFeatures]]) -> Batch:
        return Batch(torch.stack([latents for latents, _ in samples]), collate([clip for _, clip in samples]))


def jittered(span: Span, seconds: float, rng: np.random.Generator) -> Span:
    """Hits moved by a normal error, kept in order and inside the span; the strengths half of the time unknown."""
    if not span.hits:
        return span
    moved = sorted(float(np.clip(hit + rng.normal(0, seconds), span.onset, span.offset)) for hit in span.hits)
    return span.model_copy(
        update={"hits": tuple(moved), "strengths": span.strengths if rng.random() < 0.5 else ()}
    )


class DiTJob:
    """Velocity matching (spec/model.md section 9) with three independent dropouts."""

    def __init__(self, drop: float, held_out: Sequence[Batch], codec: MelStereoCodec) -> None:
        self.drop = drop
        self.held_out = held_out
        self.codec = codec

    def loss(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        data = batch.latents
        t = draw_times(len(data), generator)
        noise = torch.randn(data.shape, generator=generator, device=data.device)
        keep = draw_keep(len(data), self.drop, generator)
        predicted = model(interpolate(data, noise, t), t, batch.features, keep)
        return {"loss": flow_loss(predicted.float(), data, noise)}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        """Loss at five fixed times (spec/model.md section 9), everything kept; a few scenes to hear and see."""
        device = next(model.parameters()).device
        self._show(model, writer, step, device)
        scores = {}
        for moment in (0.1, 0.3, 0.5, 0.7, 0.9):
            losses = []
            for number, batch in enumerate(self.held_out):
                data = batch.latents.to(device)
                generator = torch.Generator(device).manual_seed(number)
                noise = torch.randn(data.shape, generator=generator, device=device)
                t = torch.full((len(data),), moment, device=device)
                with torch.autocast(device.type, torch.bfloat16):
                    predicted = model(interpolate(data, noise, t), t, _moved(batch.features, device), None)
                losses.append(flow_loss(predicted.float(), data, noise))
            scores[f"loss_{moment}"] = float(torch.stack(losses).mean())
        return scores

    def _show(self, model: nn.Module, writer: SummaryWriter, step: int, device: torch.device) -> None:
        """Generate the first held-out scenes, beside what the codec makes of their true latents."""
        assert isinstance(model, ConditionedDiT)
        data, features = (
            self.held_out[0].latents[:SHOWN],
            _moved(first_clips(self.held_out[0].features), device),
        )
        prepared = model.prepare(features, data.shape[-1])
        flow = guided(
            partial(model.dit, prepared=prepared), partial(model.dit, prepared=None), SHOWN_GUIDANCE
        )
        noise = torch.randn(data.shape, generator=torch.Generator().manual_seed(0)).to(device)
        made = self.codec.decode(sample(flow, noise, time_grid(SHOWN_STEPS)).cpu())
        for number, (true, generated) in enumerate(zip(self.codec.decode(data), made, strict=True)):
            show(writer, f"validation/{number + 1}", true, generated, step)


def first_clips(features: Features) -> Features:
    """The first clips of a batch, as many as are shown."""
    return Features(*[None if part is None else part[:SHOWN] for part in features])  # type: ignore[arg-type]


def _moved(features: Features, device: torch.device) -> Features:
    return Features(*[None if part is None else part.to(device) for part in features])  # type: ignore[arg-type]


def train_dit(
    config: DiTTrainingConfig,
    corpus: Corpus,
    scenes: Sequence[TrainingScene],
    held_out: Sequence[TrainingScene],
    codec: MelStereoCodec,
    folder: Path,
) -> ConditionedDiT:
    """-> the averaged transformer; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    model = config.model.build()
    if config.start is not None:
        load_weights(config.start, model)
    hop_seconds = codec.hop / codec.sample_rate
    crops = SceneCrops(scenes, corpus, config, hop_seconds)
    fixed = SceneCrops(held_out, corpus, config.model_copy(update={"lengths": (128,)}), hop_seconds)
    batches = [fixed.collate([fixed[16 * b + i] for i in range(16)]) for b in range(2)]
    averaged = train(model, DiTJob(config.drop, batches, codec), crops, config.loop, folder)
    assert isinstance(averaged, ConditionedDiT)
    return averaged
