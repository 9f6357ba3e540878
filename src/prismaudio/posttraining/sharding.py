"""A policy split over a team (FSDP2): every process keeps a part of weights, gradients, optimiser state and copies.

The whole is one unit, gathered for a pass. That fits models whose weights fit a card once but not, with all that
training keeps, six times.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(module: nn.Module, processes: int) -> None:
    """Split the parameters of `module`, in place; their gradients become means over the team."""
    device = next(module.parameters()).device.type
    fully_shard(module, mesh=init_device_mesh(device, (processes,)), reshard_after_forward=False)


@contextmanager
def gathered(module: nn.Module) -> Iterator[None]:
    """Whole weights for the length of the block, which no call in it has to ask the others for."""
    if not isinstance(module, FSDPModule):
        yield
        return
    module.unshard()
    try:
        yield
    finally:
        module.reshard()


def forget_gathered(module: nn.Module) -> None:
    """Before parts are read or overwritten: a pass may have left the whole, which will be put together anew."""
    if isinstance(module, FSDPModule):
        module.reshard()


def whole(value: Any) -> Any:
    """Tensors in `value`, a nest of dicts and lists, each in one piece; all processes must ask."""
    if isinstance(value, DTensor):
        return value.full_tensor()
    if isinstance(value, dict):
        return {name: whole(part) for name, part in value.items()}
    if isinstance(value, list):
        return [whole(part) for part in value]
    return value


def part_of(value: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor, split as `like` is."""
    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


def part_of_optimizer(state: dict[str, Any], parameters: Sequence[Tensor]) -> dict[str, Any]:
    """An optimiser's whole state, its moments split as its parameters are."""
    moments = {
        number: {
            name: part_of(value, parameters[number]) if value.shape == parameters[number].shape else value
            for name, value in kept.items()
        }
        for number, kept in state["state"].items()
    }
    return {**state, "state": moments}


def is_sharded(module: nn.Module) -> bool:
    return isinstance(module, FSDPModule)


def norm_of(gradients: Tensor) -> Tensor:
    """A norm over parts as one number."""
    return gradients.full_tensor() if isinstance(gradients, DTensor) else gradients
