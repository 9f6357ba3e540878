"""Train the embedded planner's reader of motion on prepared scenes, whose plans are the truth.

Shapes: B batch, K motion frames, A azimuth bins.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from prismaudio.backends.embedded.motion import COLUMNS, mirror
from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan
from prismaudio.planning.embedded import FPS, PlannerNetwork
from prismaudio.training.loop import LoopConfig, stack, train
from prismaudio.training.scenes import load_scene

FRAMES = 224


class PlannerTrainingConfig(Config):
    hit_weight: float = 12.0  # strikes are rare: one frame in a hundred
    loop: LoopConfig = LoopConfig(
        steps=800,
        batch_size=24,
        learning_rate=2e-3,
        weight_decay=0.05,
        ema_decay=0.995,
        checkpoint_every=300,
        validate_every=300,
    )


class PlannerScene(NamedTuple):
    plan: Plan
    motion: Tensor  # (K, 36)


def load_planner_scenes(files: Sequence[Path]) -> list[PlannerScene]:
    return [PlannerScene(scene.plan, scene.motion) for scene in map(load_scene, files)]


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
            distance = (times - hit) * FPS
            weight = np.exp(-0.5 * (distance / 0.8) ** 2)
            np.maximum.at(
                hits, (np.arange(frames), bins), np.where(weight > 0.2, weight, 0).astype(np.float32)
            )
        if not span.hits:
            inside = (times >= span.onset) & (times < span.offset)
            active[np.flatnonzero(inside), bins[inside]] = 1.0
    return torch.from_numpy(hits), torch.from_numpy(active)


class PlannerSamples(Dataset[dict[str, Tensor]]):
    """Scenes as motion with its truth, mirrored half the time."""

    def __init__(self, scenes: Sequence[PlannerScene], seed: int) -> None:
        self.scenes = scenes
        self.seed = seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        scene = self.scenes[int(rng.integers(len(self.scenes)))]
        motion = scene.motion[:FRAMES].float()
        hits, active = seen_activity(scene.plan, FRAMES)
        if rng.random() < 0.5:
            motion, hits, active = mirror(motion), hits.flip(1), active.flip(1)
        return {"motion": motion, "hits": hits, "active": active}

    collate = staticmethod(stack)


class PlannerJob:
    def __init__(self, hit_weight: float, held_out: dict[str, Tensor]) -> None:
        self.hit_weight = torch.tensor(hit_weight)
        self.held_out = held_out

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        hits, active = model(batch)
        weight = self.hit_weight.to(hits.device)
        hit_loss = F.binary_cross_entropy_with_logits(hits.float(), batch["hits"], pos_weight=weight)
        active_loss = F.binary_cross_entropy_with_logits(active.float(), batch["active"])
        return {"loss": 5 * hit_loss + active_loss, "hit": hit_loss, "active": active_loss}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        device = next(model.parameters()).device
        batch = {name: tensor.to(device) for name, tensor in self.held_out.items()}
        losses = self.loss(model, batch, torch.Generator(device))
        return {name: float(value) for name, value in losses.items()}


class _PlannerPass(nn.Module):
    """The reader of motion on one batch."""

    def __init__(self, network: PlannerNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        hits, active = self.network.motion_reader(batch["motion"])
        return hits, active


def train_planner(
    config: PlannerTrainingConfig, samples: PlannerSamples, held_out: PlannerSamples, folder: Path
) -> PlannerNetwork:
    """-> the averaged planner networks; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    job = PlannerJob(config.hit_weight, stack([held_out[i] for i in range(256)]))
    averaged = train(_PlannerPass(PlannerNetwork()), job, samples, config.loop, folder)
    network = averaged.network
    assert isinstance(network, PlannerNetwork)
    return network
