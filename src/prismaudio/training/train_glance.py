"""Train the glance on glances of stage scenes, in which it is known what stands where.

Shapes: B batch, C columns of image features.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.config import Config
from prismaudio.planning.glance import Glance
from prismaudio.training.glances import Glances
from prismaudio.training.loop import LoopConfig, stack, train


class GlanceTrainingConfig(Config):
    loop: LoopConfig = LoopConfig(
        steps=800,
        batch_size=144,
        learning_rate=2e-3,
        weight_decay=0.05,
        ema_decay=0.995,
        checkpoint_every=300,
        validate_every=300,
    )


class GlanceSamples(Dataset[dict[str, Tensor]]):
    """Places in glances, with the class that is there."""

    def __init__(self, glances: Glances, seed: int) -> None:
        self.glances = glances
        self.seed = seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        row = int(rng.integers(len(self.glances.classes)))
        blur = float(rng.normal(0, 0.06))  # planners do not know places exactly
        return {
            "columns": self.glances.columns[row].float(),
            "azimuths": (self.glances.azimuths[row].float() + blur).clamp(-1, 1),
            "classes": self.glances.classes[row],
        }

    collate = staticmethod(stack)


class GlanceJob:
    def __init__(self, held_out: dict[str, Tensor]) -> None:
        self.held_out = held_out

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        names = model(batch["columns"], batch["azimuths"]).float()
        return {"loss": F.cross_entropy(names, batch["classes"], label_smoothing=0.1)}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        device = next(model.parameters()).device
        batch = {name: tensor.to(device) for name, tensor in self.held_out.items()}
        names = model(batch["columns"], batch["azimuths"])
        top5 = names.topk(5, dim=-1).indices == batch["classes"][:, None]
        return {
            "loss": float(self.loss(model, batch, torch.Generator(device))["loss"]),
            "top1": float(top5[:, 0].float().mean()),
            "top5": float(top5.any(dim=1).float().mean()),
        }


def train_glance(
    config: GlanceTrainingConfig, samples: GlanceSamples, held_out: GlanceSamples, folder: Path
) -> Glance:
    """-> the averaged weights; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    job = GlanceJob(stack([held_out[i] for i in range(1536)]))
    averaged = train(Glance(len(VOCABULARY)), job, samples, config.loop, folder)
    assert isinstance(averaged, Glance)
    return averaged
