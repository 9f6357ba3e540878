"""A glance at every place of a picture: quick, rough names, which the student reads. Tracks are named by closer looks.

Shapes: B batch, C columns of the picture, F image features.
"""

import torch
from torch import Tensor, nn

from prismaudio.backends.embedded.vision import FEATURES


class Glance(nn.Module):
    """Image features at a place, and of the whole picture -> logits over the sounds that could come from there."""

    def __init__(self, classes: int, width: int = 192) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(FEATURES, elementwise_affine=False)
        self.layers = nn.Sequential(
            nn.Dropout(0.8),  # a handful of sprites per class: what is learned must not hang on few features
            nn.Linear(2 * FEATURES, width),
            nn.GELU(),
            nn.Dropout(0.5),
            nn.Linear(width, classes),
        )

    def forward(self, columns: Tensor, azimuth: Tensor) -> Tensor:
        """columns: (B, C, F), azimuth: (B,) in [-1, 1] -> (B, classes)"""
        here = at_azimuth(columns, azimuth)
        apart = here - columns.mean(dim=1)  # what this place has and the rest of the picture has not
        return self.layers(torch.cat([self.norm(here), self.norm(apart)], dim=-1))


def at_azimuth(columns: Tensor, azimuth: Tensor) -> Tensor:
    """columns: (B, C, F), azimuth: (B,) -> (B, F), linear between the two nearest columns."""
    count = columns.shape[1]
    position = ((azimuth + 1) / 2 * count - 0.5).clamp(0, count - 1)
    low = position.floor().long()
    share = (position - low)[:, None].to(columns)
    rows = torch.arange(len(columns), device=columns.device)
    return columns[rows, low] * (1 - share) + columns[rows, (low + 1).clamp(max=count - 1)] * share
