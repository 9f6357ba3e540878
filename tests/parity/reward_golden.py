"""Reading the golden numbers of the published judges, and the weights they were recorded with."""

import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden" / "rewards"
NORM = re.compile(
    r"(norm|ln_f|ln1|ln2|lnorm|\bbn\d?\b|\.bn\d|downsample\.1|layer_norm|layernorm)", re.IGNORECASE
)
STD = 0.02

Shape = tuple[int, ...]
Special = Callable[[str, Shape], Tensor | float | None]  # a tensor, or the scale of its numbers


def golden(name: str) -> dict[str, Tensor]:
    return load_file(GOLDEN / f"{name}.safetensors")


def state(shapes: Mapping[str, Shape], special: Special = lambda name, shape: None) -> dict[str, Tensor]:
    """Weights by the rule of the golden README, from published names."""
    return {name: weight(name, tuple(shape), special(name, tuple(shape))) for name, shape in shapes.items()}


def weight(name: str, shape: Shape, special: Tensor | float | None = None) -> Tensor:
    if isinstance(special, Tensor):
        return special
    last = name.rpartition(".")[2]
    if last == "running_mean" or last.endswith("bias") and (last == "bias" or last.endswith("_bias")):
        return torch.zeros(shape)
    if last == "running_var" or (last == "weight" and len(shape) == 1 and NORM.search(name)):
        return torch.ones(shape)
    if last == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.long)
    draw = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode()))).standard_normal(
        shape, dtype=np.float32
    )
    return torch.from_numpy(np.asarray(draw)) * np.float32(STD if special is None else special)


def near(ours: Tensor, recorded: Tensor, atol: float = 2e-5, rtol: float = 1e-4) -> None:
    """The golden README's measure."""
    torch.testing.assert_close(ours.float(), recorded.float(), atol=atol, rtol=rtol)
