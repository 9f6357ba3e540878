"""Weights and data that depend on a name and a shape alone, as the golden files were recorded with.

The rule is that of the golden README: a Philox stream seeded by the crc32 of the name, a recipe per kind.
"""

import math
import zlib

import numpy as np
import torch
from torch import Tensor

SUITE = 0


def normal(name: str, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers of this name: `shape`, float32"""
    seed = (zlib.crc32(name.encode()) + 1_000_003 * SUITE) % 2**32
    draw = np.random.Generator(np.random.Philox(seed)).standard_normal(size=tuple(shape))
    return torch.from_numpy(draw.astype(np.float32))


def data(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    """Inputs that are too large to store."""
    return normal(f"data:{name}", shape) * np.float32(scale)


def weight(key: str, shape: tuple[int, ...]) -> Tensor:
    """The published tensor `key`; the first rule that fits."""
    last = key.rsplit(".", 1)[-1]
    draw = normal(key, shape)
    if key.endswith("timestep_features.weight"):
        return draw
    if last == "beta" and "_norm." in key:
        return torch.zeros(shape)
    offset, scale = {
        "gamma": (1.0, 0.1),
        "alpha": (0.0, 0.3),
        "beta": (0.0, 0.3),
        "weight_g": (0.7, 0.07),
        "weight_v": (0.0, 1.0),
        "gate": (0.0, 0.5),
        "sync_gate": (0.0, 0.5),
        "empty_clip_feat": (0.0, 0.5),
        "empty_sync_feat": (0.0, 0.5),
        "sync_pos_emb": (0.0, 0.1),
        "bias": (0.0, 0.02),
        "weight": (1.0, 0.1) if len(shape) == 1 else (0.0, 1 / math.sqrt(math.prod(shape[1:]) or 1)),
    }[last]
    return offset + scale * draw


def rotary(width: int = 32) -> Tensor:
    """The one buffer the recorders kept as computed."""
    return 1.0 / (10_000 ** (torch.arange(0, width, 2).float() / width))


def state(shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """A whole published state dict."""
    return {
        key: rotary() if key.endswith("inv_freq") else weight(key, shape) for key, shape in shapes.items()
    }
