"""A model in transformers format on this disk: what its config.json says, and its tensors from one file or many."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from prismaudio.models.checkpoints import CheckpointError, read_tensors

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

Config = TypeVar("Config", bound="PreTrainedConfig")

Network = TypeVar("Network", bound=nn.Module)

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
FILES = ("config.json", "model*.safetensors", INDEX)  # what is read of a folder, as patterns


def read_config(folder: Path, kinds: Sequence[str]) -> dict[str, Any]:
    """The config.json of a model of one of these kinds."""
    config = read_json(folder / "config.json")
    if config.get("model_type") not in kinds:
        raise CheckpointError(
            f"{folder} holds a model of type {config.get('model_type')}; give one of type {' or '.join(kinds)}"
        )
    return config


def configured(kind: type[Config], values: dict[str, Any], folder: Path) -> Config:
    """The configuration object of transformers, which checks types and some sizes."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        return kind.from_dict(values)
    except (StrictDataclassError, ValueError, TypeError, AttributeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{folder / 'config.json'} makes no sense ({reason}); get the file again"
        ) from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors, of one file or of the shards of an index; mapped, so what is not used costs nothing."""
    if not (folder / INDEX).is_file():
        return read_tensors(folder / WEIGHTS)
    shards = read_json(folder / INDEX).get("weight_map")
    if not isinstance(shards, dict):
        raise CheckpointError(f"{folder / INDEX} has no weight_map; get the file again")
    return {
        name: tensor
        for shard in sorted(set(shards.values()))
        for name, tensor in read_tensors(folder / shard).items()
    }


def ready(network: Network, dtype: torch.dtype) -> Network:
    """Weights in this number format; for use, never to be trained."""
    nn.Module.to(network, dtype)  # transformers' own is the same, without types
    return network.train(False).requires_grad_(False)


def read_json(path: Path) -> dict[str, Any]:
    """The settings in a file that is part of a model."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"no {path.name} in {path.parent}; give the folder of a model in transformers format"
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); get the file again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no settings; get the file again")
    return content
