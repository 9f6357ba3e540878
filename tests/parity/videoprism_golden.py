"""The small VideoPrism of the golden files: its arrays, by name and shape alone, and the .npz that holds them."""

import json
import math
from pathlib import Path
from typing import NamedTuple

import deterministic
import numpy as np
from model_golden import GOLDEN, golden
from torch import Tensor

Arrays = dict[str, np.ndarray]
SCALES = {
    "scale": 0.1,
    "per_dim_scale": 0.1,
    "bias": 0.02,
    "b": 0.02,
    "emb_var": 0.1,
    "pooling_attention_query": 0.5,
}
FAN_IN = {"kernel": -2, "w": -3}  # the axis whose length weights are divided by the root of


class Recorded(NamedTuple):
    shapes: dict[str, tuple[int, ...]]
    checksums: dict[str, tuple[float, float]]  # sum, sum of absolute values; after the run
    tensors: dict[str, Tensor]


def recorded() -> Recorded:
    content = json.loads((GOLDEN / "videoprism_small.json").read_text())
    shapes = {name: tuple(shape) for name, shape in content["params"].items()}
    return Recorded(shapes, content["checksums"], golden("videoprism_small"))


def arrays(shapes: dict[str, tuple[int, ...]]) -> Arrays:
    """Weights by the rule of golden/model/README.md."""
    return {name: _array(name, shape) for name, shape in shapes.items()}


def save(path: Path, content: Arrays) -> Path:
    np.savez(path, **content)
    return path


def _array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    last = name.rpartition("/")[2]
    scale = 1 / math.sqrt(shape[FAN_IN[last]]) if last in FAN_IN else SCALES[last]
    return deterministic.normal(name, shape).numpy() * np.float32(scale)
