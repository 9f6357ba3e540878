"""Large matrices in one byte a number, for networks that travel in the package: whole numbers, and a scale for each row.

A number is off by at most half a step, 1/254 of the largest of its row. Shapes: R rows, ... of any shape.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = ".row_scale"  # behind the name of a packed tensor
STEPS = 127
SMALLEST = 4096  # numbers from which packing is worth it


def packed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State with every large tensor (R, ...) as int8, and its scales (R,) beside it."""
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if tensor.ndim < 2 or tensor.numel() < SMALLEST or not tensor.is_floating_point():
            found[name] = tensor
            continue
        rows = tensor.detach().float().flatten(1)
        scale = rows.abs().amax(dim=1).clamp(min=1e-20) / STEPS
        found[name] = (rows / scale[:, None]).round().to(torch.int8).view(tensor.shape)
        found[name + SCALE] = scale
    return found


def unpacked(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What was packed, as float32; the rest as it is."""
    found = {name: tensor for name, tensor in state.items() if not name.endswith(SCALE)}
    for name, scale in state.items():
        if name.endswith(SCALE):
            tensor = state[name.removesuffix(SCALE)]
            rows = tensor.float().flatten(1) * scale[:, None]
            found[name.removesuffix(SCALE)] = rows.view(tensor.shape)
    return found
