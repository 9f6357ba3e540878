"""What things are called: find them in the picture, look at each closely, name what is seen.

A finder marks the cells of the feature map in which something stands; each thing is cut out, enlarged and perceived
again, so that a small thing is seen as large as a near one. The last two blocks of the image network are replaced by
blocks that were trained further, on pictures of what the vocabulary names.

Shapes: K pictures, L looks, F image features, R x C cells of 32 pixels, N names.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from prismaudio.backends.embedded.vision import FEATURES, PLACES_SIZE, TRUNK_BLOCKS, ImageNetwork
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


class Block(nn.Module):
    """Inverted residual of EfficientNet-Lite, its normalisation folded into the convolutions."""

    def __init__(self, enter: int, width: int, leave: int, kernel: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(enter, width, 1)
        self.depth = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.project = nn.Conv2d(width, leave, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x: (L, enter, R, C) -> (L, leave, R, C)"""
        y = self.project(F.relu6(self.depth(F.relu6(self.expand(x)))))
        return x + y if y.shape == x.shape else y


class Recogniser(nn.Module):
    """Close looks, as far as the trunk of the image network took them -> names."""

    def __init__(self, names: int) -> None:
        super().__init__()
        self.finder = Finder()
        self.blocks = nn.Sequential(Block(192, 1152, 192, 5), Block(192, 1152, 320, 3))
        self.head = nn.Conv2d(320, FEATURES, 1)
        self.norm = nn.LayerNorm(FEATURES, elementwise_affine=False)
        self.drop = nn.Dropout(0.5)
        self.leave = nn.Linear(FEATURES, names)

    def forward(self, looks: Tensor) -> Tensor:
        """looks: (L, 192, R, C) -> logits (L, N)"""
        features = F.relu6(self.head(self.blocks(looks))).mean(dim=(2, 3))
        return self.leave(self.drop(self.norm(features)))

    @torch.no_grad()
    def start_from(self, network: ImageNetwork) -> None:
        """Take over the blocks of the image network that are to be trained further."""
        whole: Any = network.network
        for block, given in zip(self.blocks, whole._blocks[TRUNK_BLOCKS:], strict=True):
            assert isinstance(block, Block)
            _fold(block.expand, given._expand_conv, given._bn0)
            _fold(block.depth, given._depthwise_conv, given._bn1)
            _fold(block.project, given._project_conv, given._bn2)
        _fold(self.head, whole._conv_head, whole._bn1)


def _fold(target: nn.Conv2d, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Make `target` do what `convolution` and the frozen `norm` do."""
    mean, variance, bias = norm.running_mean, norm.running_var, target.bias
    assert mean is not None
    assert variance is not None
    assert bias is not None
    gain = norm.weight.float() / (variance.float() + norm.eps).sqrt()
    target.weight.copy_(convolution.weight.float() * gain[:, None, None, None])
    bias.copy_(norm.bias.float() - mean.float() * gain)


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
        logits = self.recogniser(self.network.trunk(Frames(crops, places.fps)))
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
