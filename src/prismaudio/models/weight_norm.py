"""Weight normalisation: each filter as a direction and a length (Salimans & Kingma 2016, arXiv 1602.07868).

Convolutions are built plain; `add_weight_norm` gives the form that is trained, `fold_weight_norm` undoes it.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

CONVOLUTIONS = (nn.Conv1d, nn.ConvTranspose1d, nn.Conv2d)


def add_weight_norm(module: nn.Module) -> None:
    """Split the weight of every convolution in `module` into direction and length; the function stays."""
    for layer in convolutions(module):
        parametrizations.weight_norm(layer)


def fold_weight_norm(module: nn.Module) -> None:
    """Undo `add_weight_norm`: the same function, without computing every weight at every call."""
    for layer in convolutions(module):
        parametrize.remove_parametrizations(layer, "weight")


def folded(direction: Tensor, length: Tensor) -> Tensor:
    """direction: (F, ...), length: (F, 1 ...) -> the weight they stand for; the norm runs over all but F."""
    norm = torch.linalg.vector_norm(direction, dim=tuple(range(1, direction.ndim)), keepdim=True)
    return direction * (length / norm)


def convolutions(module: nn.Module) -> list[nn.Module]:
    return [layer for layer in module.modules() if isinstance(layer, CONVOLUTIONS)]
