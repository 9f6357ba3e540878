"""What things are called: find them in the picture, look at each closely, name what is seen.

A finder marks the cells of the feature map in which something stands; each thing is cut out, enlarged and perceived
again, and a linear layer turns those features into names. So a small thing is seen as large as a near one.

Shapes: K pictures, L looks, F image features, R x C cells of 32 pixels, N names.
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prismaudio.backends.embedded.vision import FEATURES, PLACES_SIZE, ImageNetwork
from prismaudio.types import Frames

Box = tuple[float, float, float]  # centre x and y, 0 to 1 of the screen; extent as a share of its height
LOOK_SIZE = 160  # pixels a side of a close look
MARGIN = 1.25  # of what is cut out, over the extent of the thing
CELL = 32
MOST = 2  # things looked at in one picture
FOUND = 0.25  # probability of a cell from which something stands there
APART = 0.6  # extents by which two things are apart; nearer ones are one


class Found(NamedTuple):
    """Things in a batch of pictures."""

    picture: list[int]  # in which each was found
    boxes: list[Box]
    scores: list[float]


class Finder(nn.Module):
    """Feature map -> for every cell: is a thing centred here, where in the cell, and how large is it."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(FEATURES, width, 1), nn.GELU(), nn.Conv2d(width, width, 3, padding=1), nn.GELU()
        )
        self.leave = nn.Conv2d(width, 4, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """maps: (K, F, R, C) -> (K, 4, R, C): logit, centre x and y in cells from the cell's own, log extent"""
        return self.leave(self.layers(maps))


class Recogniser(nn.Module):
    """Close looks -> names."""

    mean: Tensor
    scale: Tensor

    def __init__(self, names: int) -> None:
        super().__init__()
        self.finder = Finder()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.drop = nn.Dropout(0.5)
        self.leave = nn.Linear(FEATURES, names)

    def forward(self, looks: Tensor) -> Tensor:
        """looks: (L, F) -> logits (L, N)"""
        return self.leave(self.drop((looks - self.mean) * self.scale))


class Looks(NamedTuple):
    """Everything that was looked at closely in a film."""

    times: Tensor  # (L,) seconds
    boxes: Tensor  # (L, 3)
    scores: Tensor  # (L,) probability that something stands there
    names: Tensor  # (L, N) log-probabilities


class Looker:
    """Finds, cuts out, perceives and names."""

    def __init__(self, network: ImageNetwork, recogniser: Recogniser) -> None:
        self.network = network
        self.recogniser = recogniser

    @torch.no_grad()
    def look(self, places: Frames, fine: Frames, maps: Tensor, start: float) -> Looks:
        """places, fine: the same K pictures in two sizes, from second `start`; maps: (K, F, R, C) of `places`."""
        found = things(self.recogniser.finder(maps))
        if not found.boxes:
            empty = torch.zeros(0)
            return Looks(empty, torch.zeros(0, 3), empty, torch.zeros(0, self.recogniser.leave.out_features))
        crops = np.stack(
            [close_look(fine.images[k], box) for k, box in zip(found.picture, found.boxes, strict=True)]
        )
        logits = self.recogniser(self.network.maps(Frames(crops, places.fps)).mean(dim=(2, 3)))
        return Looks(
            times=start + torch.tensor(found.picture) / places.fps,
            boxes=torch.tensor(found.boxes),
            scores=torch.tensor(found.scores),
            names=logits.log_softmax(dim=-1),
        )


def things(cells: Tensor) -> Found:
    """cells: (K, 4, R, C) of a `Finder` -> the surest things of each picture, no two at one place."""
    found = Found([], [], [])
    width, height = PLACES_SIZE
    scores = torch.sigmoid(cells[:, 0])
    for k in range(len(cells)):
        kept: list[Box] = []
        for place in scores[k].flatten().argsort(descending=True)[:12].tolist():
            row, column = divmod(place, cells.shape[-1])
            score = float(scores[k, row, column])
            if score < FOUND or len(kept) == MOST:
                break
            dx, dy, size = cells[k, 1:, row, column].tolist()
            extent = float(np.exp(np.clip(size, -2.5, 0.2)))
            box = ((column + 0.5 + dx) * CELL / width, (row + 0.5 + dy) * CELL / height, extent)
            if all(_apart(box, other) for other in kept):
                kept.append(box)
                found.picture.append(k)
                found.boxes.append(box)
                found.scores.append(score)
    return found


def _apart(one: Box, other: Box) -> bool:
    away = np.hypot((one[0] - other[0]) * PLACES_SIZE[0] / PLACES_SIZE[1], one[1] - other[1])
    return bool(away > APART * max(one[2], other[2]))


def close_look(picture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """(H, W, 3) -> (160, 160, 3): what is in the box and a little around it; the border is stretched outwards."""
    height, width = picture.shape[:2]
    x, y, extent = box
    # Pictures are stretched to the proportions of PLACES_SIZE, in which boxes are square.
    across = LOOK_SIZE / (extent * MARGIN * width * PLACES_SIZE[1] / PLACES_SIZE[0])
    down = LOOK_SIZE / (extent * MARGIN * height)
    matrix = np.array(
        [
            [across, 0, LOOK_SIZE / 2 - across * x * width],
            [0, down, LOOK_SIZE / 2 - down * y * height],
        ]
    )
    cut = cv2.warpAffine(
        picture, matrix, (LOOK_SIZE, LOOK_SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cut, dtype=np.uint8)
