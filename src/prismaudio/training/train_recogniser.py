"""Train the recogniser: where things stand in a feature map, on stills; and what they are called, on closeups.

Shapes: B batch, F image features, R x C cells, N names, L looks of one sample.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from prismaudio.backends.embedded.recogniser import CELL, Recogniser
from prismaudio.backends.embedded.vision import PLACES_SIZE, ImageNetwork
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.config import Config
from prismaudio.training.closeups import Closeups
from prismaudio.training.loop import LoopConfig, stack, train
from prismaudio.training.stills import Stills

LOOKS = 4  # per map of a batch
SMOOTHING = 0.1


class RecogniserTrainingConfig(Config):
    loop: LoopConfig = LoopConfig(
        steps=1500,
        batch_size=16,
        learning_rate=6e-4,
        weight_decay=0.05,
        warmup=100,
        ema_decay=0.995,
        precision="no",
        checkpoint_every=250,
        validate_every=250,
    )


class Lessons(NamedTuple):
    """What one split teaches."""

    stills: Stills
    closeups: Closeups


class RecogniserSamples(Dataset[dict[str, Tensor]]):
    """A map with what stands in it, mirrored half the time; and looks with what they may be called.

    Pictures are drawn as often as the stage would show them: every class alike, however many pictures it has.
    """

    def __init__(self, lessons: Lessons, seed: int) -> None:
        self.lessons = lessons
        self.seed = seed
        shares = lessons.closeups.names.sum(dim=1)[lessons.closeups.pictures].double().numpy()
        self.shares = np.cumsum(shares / shares.sum())
        self.names = called(lessons.closeups)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        stills, closeups = self.lessons
        number = int(rng.integers(len(stills.maps)))
        maps, boxes = stills.maps[number].float(), stills.boxes[number].clone()
        if rng.random() < 0.5:
            maps, boxes[:, 0] = maps.flip(-1), 1 - boxes[:, 0]
        rows = np.searchsorted(self.shares, rng.random(LOOKS)).clip(max=len(self.shares) - 1)
        return {
            "maps": maps,
            "cells": cells_of(boxes, maps.shape[1], maps.shape[2]),
            "looks": closeups.looks[torch.from_numpy(rows)].float(),
            "names": self.names[torch.from_numpy(rows)],
        }

    collate = staticmethod(stack)


def called(closeups: Closeups) -> Tensor:
    """-> (M, N): the probability of every name, of a look at a picture."""
    names = closeups.names[closeups.pictures]
    return names / names.sum(dim=1, keepdim=True).clamp(min=1e-9)


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
    def __init__(self, held_out: Closeups) -> None:
        self.held_out = held_out

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        cells, logits = model(batch)
        here = batch["cells"][:, 0]
        find = F.binary_cross_entropy_with_logits(cells[:, 0], here, pos_weight=here.new_tensor(4.0))
        away = (cells[:, 1:] - batch["cells"][:, 1:]).abs().sum(dim=1)
        place = (away * here).sum() / here.sum().clamp(min=1)
        name = F.cross_entropy(logits, batch["names"].flatten(0, 1), label_smoothing=SMOOTHING)
        return {"loss": 10 * find + 0.5 * place + name, "find": find, "place": place, "name": name}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        """How often the first name, and one of the first five, is right; pictures weigh as the stage shows them."""
        recogniser = model.recogniser
        assert isinstance(recogniser, Recogniser)
        looks = self.held_out.looks.float().to(next(recogniser.parameters()).device)
        logits = torch.cat([recogniser(part) for part in torch.split(looks, 64)]).cpu()
        names, shares = called(self.held_out), self.held_out.names.sum(dim=1)[self.held_out.pictures]
        right = names.gather(1, logits.topk(5, dim=-1).indices)
        shares = shares / shares.sum()
        return {
            "top1": float((right[:, 0] * shares).sum()),
            "top5": float((right.sum(dim=1) * shares).sum()),
        }


class _Pass(nn.Module):
    """Finding and naming in one forward pass."""

    def __init__(self, recogniser: Recogniser) -> None:
        super().__init__()
        self.recogniser = recogniser

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        return self.recogniser.finder(batch["maps"]), self.recogniser(batch["looks"].flatten(0, 1))


def train_recogniser(
    config: RecogniserTrainingConfig, lessons: Lessons, held_out: Closeups, folder: Path
) -> Recogniser:
    """-> the averaged recogniser; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    recogniser = Recogniser(len(VOCABULARY))
    recogniser.start_from(ImageNetwork())
    samples = RecogniserSamples(lessons, config.loop.seed)
    averaged = train(_Pass(recogniser), RecogniserJob(held_out), samples, config.loop, folder)
    trained = averaged.recogniser
    assert isinstance(trained, Recogniser)
    return trained
