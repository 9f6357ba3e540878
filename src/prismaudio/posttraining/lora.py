"""Low-rank adapters (arXiv 2106.09685): a few numbers to train per matrix, and a reference that costs nothing."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from prismaudio.posttraining.sharding import whole


class LowRank(nn.Module):
    """Adds alpha / rank * up @ down to a frozen matrix; nothing at first, for `up` starts at zero."""

    def __init__(self, weight: Tensor, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = weight.shape
        down = torch.randn(rank, columns, generator=generator) / columns**0.5
        self.down = nn.Parameter(down.to(weight))
        self.up = nn.Parameter(weight.new_zeros(rows, rank))
        self.scale = alpha / rank

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.scale * (self.up @ self.down)


def add_adapters(module: nn.Module, rank: int, alpha: float, seed: int = 0) -> None:
    """Freeze `module` and adapt the matrix of every linear layer in it, in place."""
    module.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for layer in [layer for layer in module.modules() if isinstance(layer, nn.Linear)]:
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank, alpha, generator))


def merge_adapters(module: nn.Module) -> None:
    """Make the adapted matrices plain ones, in place: the module has the names and shapes it had before."""
    for layer in list(module.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def merged_state(module: nn.Module) -> dict[str, Tensor]:
    """Copies, on the CPU, of what the state dict would be once adapters were merged; the module is left as it is."""
    adapted = [name for name, layer in module.named_modules() if parametrize.is_parametrized(layer, "weight")]
    plain = {name: value for name, value in module.state_dict().items() if ".parametrizations." not in name}
    merged = {f"{name}.weight": module.get_submodule(name).weight for name in adapted}
    return {name: whole(value.detach()).to("cpu", copy=True) for name, value in {**plain, **merged}.items()}
