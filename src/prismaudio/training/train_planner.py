"""Train the embedded planner's networks on prepared scenes, whose plans are the truth.

Shapes: B batch, K motion frames, A azimuth bins, C columns of image features.
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

from prismaudio.backends.embedded.motion import COLUMNS
from prismaudio.backends.embedded.planner import FPS, PlannerNetwork
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan
from prismaudio.training.loop import LoopConfig, stack, train
from prismaudio.training.scenes import load_scene

INDEX = {word.name: number for number, word in enumerate(VOCABULARY)}
FRAMES = 224
PLACES = 6  # pictures looked at per scene


class PlannerTrainingConfig(Config):
    hit_weight: float = 12.0  # strikes are rare: one frame in a hundred
    loop: LoopConfig = LoopConfig(
        steps=1000,
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
    pictures: Tensor  # (V, C, F)
    picture_fps: float


def load_planner_scenes(files: Sequence[Path], picture_fps: float = 2.0) -> list[PlannerScene]:
    scenes = [load_scene(path) for path in files]
    return [PlannerScene(s.plan, s.motion, s.pictures, picture_fps) for s in scenes]


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
    """Scenes as motion with its truth, and places in pictures with the class that is there; mirrored half the time."""

    def __init__(self, scenes: Sequence[PlannerScene], seed: int) -> None:
        self.scenes = scenes
        self.seed = seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        scene = self.scenes[int(rng.integers(len(self.scenes)))]
        motion = scene.motion[:FRAMES].float()
        hits, active = seen_activity(scene.plan, FRAMES)
        columns, azimuths, classes = self._places(scene, rng)
        if rng.random() < 0.5:
            motion, hits, active = mirrored(motion), hits.flip(1), active.flip(1)
        return {
            "motion": motion,
            "hits": hits,
            "active": active,
            "columns": columns,
            "azimuths": azimuths,
            "classes": classes,
        }

    @staticmethod
    def _places(scene: PlannerScene, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Random moments of visible sources: (PLACES, C, F), (PLACES,), (PLACES,); class -100 where nothing is."""
        columns = torch.zeros(PLACES, *scene.pictures.shape[1:])
        azimuths, classes = torch.zeros(PLACES), torch.full((PLACES,), -100)
        seen = [
            (e, s)
            for e in scene.plan.semantic.events
            if e.on_screen and e.label in INDEX
            for s in scene.plan.temporal.spans
            if s.event == e.id
        ]
        places = {place.event: place for place in scene.plan.spatial.places}
        for row in range(PLACES if seen else 0):
            event, span = seen[int(rng.integers(len(seen)))]
            moment = rng.uniform(span.onset, span.offset)
            picture = min(int(moment * scene.picture_fps), len(scene.pictures) - 1)
            columns[row] = scene.pictures[picture].float()
            moment = picture / scene.picture_fps
            azimuths[row] = float(places[event.id].azimuth_at(np.array([moment]))[0]) + rng.normal(0, 0.06)
            classes[row] = INDEX[event.label or ""]
        return columns, azimuths.clamp(-1, 1), classes

    collate = staticmethod(stack)


def mirrored(motion: Tensor) -> Tensor:
    """motion: (K, 36) seen in a mirror: columns in reverse order, flow to the right becomes flow to the left."""
    columns = motion[:, : COLUMNS * 4].reshape(len(motion), COLUMNS, 4).flip(1).clone()
    columns[..., 1] *= -1
    rest = motion[:, COLUMNS * 4 :].clone()
    rest[:, 0] *= -1
    return torch.cat([columns.reshape(len(motion), -1), rest], dim=1)


class PlannerJob:
    def __init__(self, hit_weight: float, held_out: dict[str, Tensor]) -> None:
        self.hit_weight = torch.tensor(hit_weight)
        self.held_out = held_out

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        hits, active, names = model(batch)
        weight = self.hit_weight.to(hits.device)
        hit_loss = F.binary_cross_entropy_with_logits(hits.float(), batch["hits"], pos_weight=weight)
        active_loss = F.binary_cross_entropy_with_logits(active.float(), batch["active"])
        name_loss = F.cross_entropy(names.float(), batch["classes"].flatten(), label_smoothing=0.1)
        return {
            "loss": 5 * hit_loss + active_loss + name_loss,
            "hit": hit_loss,
            "active": active_loss,
            "name": name_loss,
        }

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        device = next(model.parameters()).device
        batch = {name: tensor.to(device) for name, tensor in self.held_out.items()}
        losses = self.loss(model, batch, torch.Generator(device))
        names = model(batch)[2]
        classes = batch["classes"].flatten()
        known = classes >= 0
        top5 = names[known].topk(5, dim=-1).indices == classes[known, None]
        scores = {name: float(value) for name, value in losses.items()}
        return scores | {
            "top1": float(top5[:, 0].float().mean()),
            "top5": float(top5.any(dim=1).float().mean()),
        }


class _PlannerPass(nn.Module):
    """Both networks on one batch, as one forward pass."""

    def __init__(self, network: PlannerNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        hits, active = self.network.motion_reader(batch["motion"])
        names = self.network.recogniser(batch["columns"].flatten(0, 1), batch["azimuths"].flatten())
        return hits, active, names


def train_planner(
    config: PlannerTrainingConfig,
    scenes: Sequence[PlannerScene],
    held_out: Sequence[PlannerScene],
    folder: Path,
) -> PlannerNetwork:
    """-> the averaged planner networks; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    fixed = PlannerSamples(held_out, seed=config.loop.seed + 1)
    job = PlannerJob(config.hit_weight, stack([fixed[i] for i in range(256)]))
    averaged = train(
        _PlannerPass(PlannerNetwork()), job, PlannerSamples(scenes, config.loop.seed), config.loop, folder
    )
    network = averaged.network
    assert isinstance(network, PlannerNetwork)
    return network
