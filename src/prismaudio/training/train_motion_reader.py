"""Train the reader of motion on watched scenes, whose plans say what strikes and sounds on screen, when and where.

Shapes: B batch, K motion frames, A azimuth bins.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from prismaudio.backends.embedded.motion import COLUMNS, mirror
from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan
from prismaudio.planning.motion_reader import FPS, MotionReader
from prismaudio.training.loop import LoopConfig, stack, train
from prismaudio.training.watched import Crops, WatchedScene

GAIN = 0.2  # of what moves, in nats: things are nearer, or of more contrast
SOFT, LEAST = 0.8, 0.2  # a hit is spread over so many frames, and cut off where it weighs less


class MotionReaderTrainingConfig(Config):
    width: PositiveInt = 96
    depth: PositiveInt = 8
    hit_weight: PositiveFloat = 8.0  # strikes are rare: one frame in a hundred
    loop: LoopConfig = LoopConfig(
        steps=3000,
        batch_size=24,
        learning_rate=2e-3,
        weight_decay=0.05,
        ema_decay=0.998,
        checkpoint_every=500,
        validate_every=500,
    )


def seen_activity(plan: Plan, frames: int) -> tuple[Tensor, Tensor]:
    """-> hits and activity of what is on screen, (K, A) each; a hit is spread over three frames."""
    hits, active = np.zeros((frames, COLUMNS), np.float32), np.zeros((frames, COLUMNS), np.float32)
    times = np.arange(frames) / FPS
    on_screen = {event.id for event in plan.semantic.events if event.on_screen}
    places = {place.event: place for place in plan.spatial.places}
    for span in plan.temporal.spans:
        if span.event not in on_screen:
            continue
        bins = np.clip(((places[span.event].azimuth_at(times) + 1) / 2 * COLUMNS).astype(int), 0, COLUMNS - 1)
        for hit in span.hits:
            weight = np.exp(-0.5 * ((times - hit) * FPS / SOFT) ** 2).astype(np.float32)
            np.maximum.at(hits, (np.arange(frames), bins), np.where(weight > LEAST, weight, 0))
        if not span.hits:
            inside = (times >= span.onset) & (times < span.offset)
            active[np.flatnonzero(inside), bins[inside]] = 1.0
    return torch.from_numpy(hits), torch.from_numpy(active)


class MotionCrops(Dataset[dict[str, Tensor]]):
    """Stretches of motion with their truth, mirrored half the time. Sample i is a function of (seed, i)."""

    def __init__(self, scenes: Sequence[WatchedScene], batch_size: int, seed: int) -> None:
        self.motion = [scene.motion for scene in scenes]
        self.truth = [seen_activity(scene.plan, len(scene.motion)) for scene in scenes]
        self.crops = Crops(scenes, batch_size, seed)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        number, start, frames, rng = self.crops.draw(index)
        stretch = slice(start, start + frames)
        motion = self.motion[number][stretch].float() * float(np.exp(rng.normal(0, GAIN)))
        hits, active = (truth[stretch] for truth in self.truth[number])
        if rng.random() < 0.5:
            motion, hits, active = mirror(motion), hits.flip(1), active.flip(1)
        return {"motion": motion, "hits": hits, "active": active}

    collate = staticmethod(stack)


class MotionReaderJob:
    def __init__(self, hit_weight: float, held_out: Sequence[dict[str, Tensor]]) -> None:
        self.hit_weight = torch.tensor(hit_weight)
        self.held_out = held_out

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        hits, active = model(batch["motion"])
        weight = self.hit_weight.to(hits.device)
        hit_loss = F.binary_cross_entropy_with_logits(hits.float(), batch["hits"], pos_weight=weight)
        active_loss = F.binary_cross_entropy_with_logits(active.float(), batch["active"])
        return {"loss": 5 * hit_loss + active_loss, "hit": hit_loss, "active": active_loss}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        device = next(model.parameters()).device
        batches = [{name: tensor.to(device) for name, tensor in batch.items()} for batch in self.held_out]
        losses = [self.loss(model, batch, torch.Generator(device)) for batch in batches]
        return {name: float(torch.stack([loss[name] for loss in losses]).mean()) for name in losses[0]}


def train_motion_reader(
    config: MotionReaderTrainingConfig,
    scenes: Sequence[WatchedScene],
    held_out: Sequence[WatchedScene],
    folder: Path,
) -> MotionReader:
    """-> the averaged weights; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    size = config.loop.batch_size
    unseen = MotionCrops(held_out, size, config.loop.seed)
    batches = [stack([unseen[i] for i in range(size * b, size * (b + 1))]) for b in range(10)]
    reader = MotionReader(config.width, config.depth)
    job = MotionReaderJob(config.hit_weight, batches)
    averaged = train(reader, job, MotionCrops(scenes, size, config.loop.seed), config.loop, folder)
    assert isinstance(averaged, MotionReader)
    return averaged
