"""From the tensors of a published file to a network that is as large as they say, and holds them all."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from prismaudio.backends.pretrained.folder import ready
from prismaudio.models.checkpoints import CheckpointError, check_fit, fill

Network = TypeVar("Network", bound=nn.Module)
State = TypeVar("State")


def sized(build: Callable[[State], Network], tensors: State, path: Path, what: str, instead: str) -> Network:
    """What `build` makes of `tensors`; if it fails, `path` is not `what`, and `instead` is to be given."""
    try:
        return build(tensors)
    except (KeyError, ValueError, IndexError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{path} is not {what}: its size cannot be read off it ({error}); give {instead}"
        ) from error


def filled(network: Network, state: Mapping[str, Tensor], path: Path, counted: Sequence[str] = ()) -> Network:
    """With `state`, by the network's own names, strictly; ready for use in float32.

    counted: endings of tensors that are no weights, which a file may lack.
    """
    own = network.state_dict()
    whole = {name: tensor for name, tensor in own.items() if name.endswith(tuple(counted))} | dict(state)
    check_fit(whole, {name: tensor.shape for name, tensor in own.items()}, path)
    fill(network, whole)
    return ready(network, torch.float32)
