"""Train the recogniser on stills: where things stand in a feature map, and what a close look at one is called.

Shapes: B batch, F image features, R x C cells, L looks of one sample.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from prismaudio.backends.embedded.recogniser import CELL, Recogniser
from prismaudio.backends.embedded.vision import PLACES_SIZE
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.config import Config
from prismaudio.training.loop import LoopConfig, stack, train
from prismaudio.training.stills import Stills

LOOKS = 16  # per map of a batch


class RecogniserTrainingConfig(Config):
    loop: LoopConfig = LoopConfig(
        steps=1500,
        batch_size=16,
        learning_rate=2e-3,
        weight_decay=0.1,
        warmup=50,
        ema_decay=0.99,
        precision="no",
        checkpoint_every=500,
        validate_every=250,
    )


class StillSamples(Dataset[dict[str, Tensor]]):
    """A map with what stands in it, mirrored half the time; and looks with their names."""

    def __init__(self, stills: Stills, seed: int) -> None:
        self.stills = stills
        self.seed = seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        number = int(rng.integers(len(self.stills.maps)))
        maps, boxes = self.stills.maps[number].float(), self.stills.boxes[number].clone()
        if rng.random() < 0.5:
            maps, boxes[:, 0] = maps.flip(-1), 1 - boxes[:, 0]
        rows = torch.from_numpy(rng.integers(len(self.stills.classes), size=LOOKS))
        return {
            "maps": maps,
            "cells": cells_of(boxes, maps.shape[1], maps.shape[2]),
            "looks": self.stills.looks[rows].float(),
            "classes": self.stills.classes[rows],
        }

    collate = staticmethod(stack)


def cells_of(boxes: Tensor, rows: int, columns: int) -> Tensor:
    """boxes: (4, 3) -> (4, R, C): 1 where a centre is, else 0; centre x and y from the cell's own, log extent."""
    cells = torch.zeros(4, rows, columns)
    width, height = PLACES_SIZE
    for x, y, extent in boxes.tolist():
        across, down = x * width / CELL, y * height / CELL
        if extent <= 0 or not (-0.5 <= across < columns + 0.5 and -0.5 <= down < rows + 0.5):
            continue
        column, row = min(max(int(across), 0), columns - 1), min(max(int(down), 0), rows - 1)
        place = torch.tensor([1.0, across - column - 0.5, down - row - 0.5, float(np.log(extent))])
        cells[:, row, column] = place
    return cells


class RecogniserJob:
    def __init__(self, held_out: Stills) -> None:
        self.held_out = held_out

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        cells, names = model(batch)
        here = batch["cells"][:, 0]
        find = F.binary_cross_entropy_with_logits(cells[:, 0], here, pos_weight=here.new_tensor(4.0))
        away = (cells[:, 1:] - batch["cells"][:, 1:]).abs().sum(dim=1)
        place = (away * here).sum() / here.sum().clamp(min=1)
        name = F.cross_entropy(names, batch["classes"].flatten(), label_smoothing=0.05)
        return {"loss": 10 * find + 0.5 * place + name, "find": find, "place": place, "name": name}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        recogniser = model.recogniser
        assert isinstance(recogniser, Recogniser)
        device = recogniser.mean.device
        logits = recogniser(self.held_out.looks.float().to(device)).cpu()
        hit = logits.topk(5, dim=-1).indices == self.held_out.classes[:, None]
        return {"top1": float(hit[:, 0].float().mean()), "top5": float(hit.any(dim=1).float().mean())}


class _Pass(nn.Module):
    """Finding and naming in one forward pass."""

    def __init__(self, recogniser: Recogniser) -> None:
        super().__init__()
        self.recogniser = recogniser

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        return self.recogniser.finder(batch["maps"]), self.recogniser(batch["looks"].flatten(0, 1))


def train_recogniser(
    config: RecogniserTrainingConfig, stills: Stills, held_out: Stills, folder: Path
) -> Recogniser:
    """-> the averaged recogniser; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    recogniser = Recogniser(len(VOCABULARY))
    looks = stills.looks.float()
    recogniser.mean.copy_(looks.mean(dim=0))
    recogniser.scale.copy_(1 / looks.std(dim=0).clamp(min=1e-3))
    samples = StillSamples(stills, config.loop.seed)
    averaged = train(_Pass(recogniser), RecogniserJob(held_out), samples, config.loop, folder)
    trained = averaged.recogniser
    assert isinstance(trained, Recogniser)
    return trained
