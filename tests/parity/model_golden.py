"""Reading the golden numbers of the published model, and the measure they are held to."""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.oobleck import OobleckVAE

GOLDEN = Path(__file__).parent / "golden" / "model"


class Small(NamedTuple):
    model: ConditionedDiT
    vae: OobleckVAE
    state: dict[str, Tensor]  # as published


def golden(name: str) -> dict[str, Tensor]:
    return load_file(GOLDEN / f"{name}.safetensors")


def checksums(size: str) -> dict[str, tuple[float, float]]:
    return json.loads((GOLDEN / f"init_checksums_{size}.json").read_text())


def close(ours: Tensor, recorded: Tensor, tolerance: float = 1e-4) -> None:
    """The golden README's measure: norm of the difference over norm of the recorded tensor."""
    assert ours.shape == recorded.shape
    error = torch.linalg.vector_norm((ours - recorded).double())
    size = torch.linalg.vector_norm(recorded.double())
    assert error <= tolerance * size, f"relative error {error / size:.2e}"
