"""Synchformer's visual half: when things move, as the published generator was trained to be told.

Its file, `synchformer_state_dict.pth`, also holds an audible half and a judge of synchrony, which are not read.
Shapes: Y sync tokens, eight to a segment of 16 frames.
"""

import re
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from prismaudio.media.preprocess import SYNCHFORMER, Image, synchformer_input
from prismaudio.models.checkpoints import check_fit, fill, read_tensors
from prismaudio.models.lengths import SEGMENT_FRAMES, SEGMENT_HOP
from prismaudio.models.motionformer import Motionformer
from prismaudio.types import Frames

VISUAL = "vfeat_extractor."
UNUSED = f"{VISUAL}patch_embed."  # embeds patches of single pictures; the official code builds it and reads it never

# (ours, theirs), all applied, in order
NAMES = [
    (r"^patches\.", "patch_embed_3d.proj."),
    (r"^position$", "pos_embed"),
    (r"^time$", "temp_embed"),
    (r"^pool\.norm\.", "pool.norm1."),
    (r"^pool\.to_qkv\.", "pool.self_attn.in_proj_"),
    (r"^pool\.to_out\.", "pool.self_attn.out_proj."),
    (r"^pool\.feed_forward\.expand\.", "pool.linear1."),
    (r"^pool\.feed_forward\.contract\.", "pool.linear2."),
    (r"^pool\.", "spatial_attn_agg."),
    (r"\bclass_token$", "cls_token"),
    (r"\.time_norm\.", ".norm3."),
    (r"\.space_norm\.", ".norm1."),
    (r"\.feed_norm\.", ".norm2."),
    (r"\.time_attention\.", ".timeattn."),
    (r"\.space_attention\.", ".attn."),
    (r"\.to_qkv\.", ".qkv."),
    (r"\.to_out\.", ".proj."),
    (r"\.feed_forward\.expand\.", ".mlp.fc1."),
    (r"\.feed_forward\.contract\.", ".mlp.fc2."),
]


class SynchformerEncoder:
    """A `SyncEncoder`: eight tokens for every 0.64 seconds, in segments that overlap by half."""

    name = "synchformer"
    view = SYNCHFORMER

    def __init__(self, network: Motionformer, segments_per_batch: int = 1) -> None:
        """A batch serves a GPU and costs about 100 MB a segment in float32; a processor gains nothing by it."""
        self.network = network.eval().requires_grad_(False)
        self.dim = network.position.shape[-1]
        self.segments_per_batch = segments_per_batch

    @classmethod
    def from_pretrained(
        cls, path: Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> Self:
        """The published encoder from its file; it computes in `dtype`."""
        network = build_synchformer().to(dtype)
        load_synchformer(path, network)
        return cls(network.to(device), segments_per_batch=1 if torch.device(device).type == "cpu" else 16)

    @torch.no_grad()
    def encode(self, frames: Frames) -> Tensor:
        """frames seen through `view` -> (Y, dim) float32 on the network's device

        A last partial segment is left out; a clip shorter than one holds its last frame.
        """
        images = at_least_a_segment(frames.images)
        segments = (len(images) - SEGMENT_FRAMES) // SEGMENT_HOP + 1
        tokens = []
        for first in range(0, segments, self.segments_per_batch):
            last = min(first + self.segments_per_batch, segments) - 1
            seen = images[first * SEGMENT_HOP : last * SEGMENT_HOP + SEGMENT_FRAMES]
            pixels = synchformer_input(Frames(seen, frames.fps)).to(self.network.position)
            tokens.append(self.network(pixels).flatten(0, 1).float())
        return torch.cat(tokens)


def at_least_a_segment(images: Image) -> Image:
    """(n, h, w, 3) -> at least 16 of them, where the published code fails with fewer."""
    missing = max(0, SEGMENT_FRAMES - len(images))
    return np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)), mode="edge") if missing else images


def build_synchformer() -> Motionformer:
    """The published size, 122 million parameters, on the meta device."""
    with torch.device("meta"):
        return Motionformer(width=768, depth=12, heads=12)


def load_synchformer(path: Path, network: Motionformer) -> None:
    """Fill `network` from the visual half of a file in the published layout, strictly."""
    state = {
        name: tensor
        for name, tensor in read_tensors(path).items()
        if name.startswith(VISUAL) and not name.startswith(UNUSED)
    }
    own = network.state_dict()
    check_fit(state, {published_name(name): tensor.shape for name, tensor in own.items()}, path)
    fill(network, {name: state[published_name(name)] for name in own})


def published_name(ours: str) -> str:
    """The published name of a tensor of a `Motionformer`."""
    for pattern, replacement in NAMES:
        ours = re.sub(pattern, replacement, ours)
    return f"{VISUAL}{ours}"
