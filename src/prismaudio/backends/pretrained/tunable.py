"""Which parts of a vision-language model learn: the language model and what joins it to the eyes, never the eyes."""

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

from prismaudio.models.checkpoints import CheckpointError

PROJECTOR = re.compile(
    r"merger|projector|projection|connector|resampler|aligner"
)  # in the names of their modules


def language_model(network: Any) -> tuple[str, nn.Module]:
    """Its name, and the module; without what turns its output into words."""
    decoder = network.get_decoder()
    name = next((name for name, module in network.named_modules() if module is decoder), "")
    if not name:
        raise CheckpointError(
            f"a {type(network).__name__} has no language model of its own; take another model"
        )
    return name, decoder


def projectors(network: Any) -> dict[str, nn.Module]:
    """What joins eyes and language, by name; the outermost modules of that kind."""
    decoder, _ = language_model(network)
    found: dict[str, nn.Module] = {}
    for name, module in network.named_modules():
        last = name.rpartition(".")[2]
        inside = any(name.startswith(f"{outer}.") for outer in (decoder, *found))
        if PROJECTOR.search(last) and not inside:
            found[name] = module
    if not found:
        raise CheckpointError(f"found no projector in a {type(network).__name__}; tune it with LoRA instead")
    return found


def linear_layers(network: Any) -> str:
    """A pattern for the names of the language model's linear layers, as peft takes it."""
    name, decoder = language_model(network)
    kinds = {
        path.rpartition(".")[2] for path, layer in decoder.named_modules() if isinstance(layer, nn.Linear)
    }
    return rf"{re.escape(name)}\..*\.({'|'.join(sorted(kinds))})"


def unfreeze(network: Any) -> None:
    """Projector and language model learn, in full precision; all else stands still."""
    network.requires_grad_(False)
    _, decoder = language_model(network)
    _learning([*projectors(network).values(), decoder, network.get_output_embeddings()])


def _learning(modules: Iterable[nn.Module]) -> None:
    for module in modules:
        for parameter in module.parameters():
            parameter.data = parameter.data.float()  # half precision swallows small steps
            parameter.requires_grad_(True)
