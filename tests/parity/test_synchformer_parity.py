"""Synchformer's visual half at the published size, against numbers of the official code."""

import json
import math
import zlib

import deterministic
import numpy as np
import pytest
import torch
from einops import rearrange
from model_golden import GOLDEN, checksums, close, golden
from torch import Tensor

from prismaudio.backends.pretrained.synchformer import (
    UNUSED,
    VISUAL,
    SynchformerEncoder,
    build_synchformer,
    published_name,
)
from prismaudio.models.checkpoints import fill
from prismaudio.types import Frames

RECORDED = golden("synchformer_full")
MANIFEST = {
    name: torch.Size(shape)
    for name, shape in json.loads((GOLDEN / "synchformer_shapes.json").read_text()).items()
}


def weight(key: str, shape: torch.Size) -> Tensor:
    """The published tensor `key`; kinds only Synchformer has, then the rules of every model."""
    match key.rpartition(".")[-1]:
        case "cls_token" | "pos_embed" | "temp_embed":
            return 0.1 * deterministic.normal(key, shape)
        case "in_proj_bias":
            return 0.02 * deterministic.normal(key, shape)
        case "in_proj_weight":
            return deterministic.normal(key, shape) / math.sqrt(shape[1])
    return deterministic.weight(key, shape)


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    return {name: weight(name, shape) for name, shape in MANIFEST.items() if name.startswith(VISUAL)}


@pytest.fixture(scope="module")
def frames() -> Frames:
    draw = np.random.Generator(np.random.Philox(zlib.crc32(b"data:synch.frames")))
    pixels = draw.integers(0, 256, size=(1, 32, 3, 224, 224), dtype=np.int64)
    assert pixels.sum() == RECORDED["in.frames_sum"].item()
    assert pixels.ravel()[:8].tolist() == RECORDED["in.frames_first8"].tolist()
    return Frames(rearrange(pixels[0].astype(np.uint8), "n c h w -> n h w c"), fps=25)


def encoder(published: dict[str, Tensor], dtype: torch.dtype) -> SynchformerEncoder:
    network = build_synchformer().to(dtype)
    fill(network, {name: published[published_name(name)] for name in network.state_dict()})
    return SynchformerEncoder(network)


def test_the_published_size_has_every_visual_tensor_and_no_other():
    ours = {published_name(name): tensor.shape for name, tensor in build_synchformer().state_dict().items()}
    visual = {name: shape for name, shape in MANIFEST.items() if name.startswith(VISUAL)}
    assert ours == {name: shape for name, shape in visual.items() if not name.startswith(UNUSED)}
    assert sum(shape.numel() for shape in visual.values()) == 122_440_704


def test_recorded_weights_are_drawn_as_they_were(published: dict[str, Tensor]):
    recorded = checksums("synchformer")
    assert published.keys() == recorded.keys()
    for name, (total, size) in recorded.items():
        tensor = published[name].double()
        assert tensor.sum().item() == pytest.approx(total, abs=1e-6 * size)
        assert tensor.abs().sum().item() == pytest.approx(size, rel=1e-6)


def test_sync_tokens_are_the_published_ones(published: dict[str, Tensor], frames: Frames):
    close(encoder(published, torch.float32).encode(frames), RECORDED["out.sync_features"][0])


def test_half_precision_sees_the_same(published: dict[str, Tensor], frames: Frames):
    first = Frames(frames.images[:16], frames.fps)
    close(
        encoder(published, torch.bfloat16).encode(first), RECORDED["out.sync_features"][0, :8], tolerance=0.02
    )
