"""What is on screen, in VideoPrism's words: one unit vector a frame, as the published model was trained on.

The blocks are those of transformers' video tower. The order of the work is ours, because the published model
reads a vector per frame that transformers does not offer, and because frames come in any number: all work is
done in pieces of bounded size. Shapes: n frames, P patches of a frame, D width, N frames the network was made for.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from prismaudio.backends.pretrained import capped_attention
from prismaudio.backends.pretrained.folder import (
    FILES,
    configured,
    read_config,
    read_weights,
    ready,
)
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.backends.pretrained.videoprism_weights import COLOURS, read_sizes, read_state
from prismaudio.errors import PrismAudioError
from prismaudio.media.preprocess import VIDEOPRISM, videoprism_input
from prismaudio.models.checkpoints import check_fit, fill
from prismaudio.types import Frames

if TYPE_CHECKING:
    from transformers import VideoPrismVideoModel, VideoPrismVisionConfig

HUB_ID = "google/videoprism-lvt-large-f8r288"
ANY_OF = (*FILES, "*.npz")
KINDS = ("videoprism", "videoprism_vision_model")
VIDEO, TEXT = "video_model.", "text_model."  # the towers of a whole checkpoint
CAP = 50.0  # of the attention logits; no file says it


class UnusableFrames(PrismAudioError):
    """Frames of another size than the network was made for, or none."""


class VideoPrismEncoder:
    """A `VideoEncoder`."""

    name = "videoprism"
    view = VIDEOPRISM

    def __init__(
        self,
        network: "VideoPrismVideoModel",
        frames_at_once: int = 4,
        logits_at_once: int = capped_attention.LOGITS_AT_ONCE,
    ) -> None:
        """The two limits bound the memory and change nothing else."""
        self.network = network
        self.dim: int = network.config.hidden_size
        self.frames_at_once = frames_at_once
        self.logits_at_once = logits_at_once

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path = HUB_ID,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Self:
        """source: a folder in transformers format, the original .npz or its folder, or a hub repository."""
        path = Path(source) if Path(source).suffix == ".npz" else original(resolve(source, (), ANY_OF))
        network = load_npz(path, dtype) if path.suffix == ".npz" else load_folder(path, dtype)
        nn.Module.to(network, device)
        return cls(network)

    def encode(self, frames: Frames) -> Tensor:
        """frames seen through `view` -> (n, D) float32 of unit length, on the network's device"""
        return self.pooled(self.in_context(self.in_time(self.in_space(videoprism_input(frames)))))

    @torch.no_grad()
    def in_space(self, images: Tensor) -> Tensor:
        """Every frame by itself: (n, height, width, 3) in 0..1 -> (n, P, D)"""
        self._check(images)
        vision = self.network.vision_model
        features = []
        for part in torch.split(images, self.frames_at_once):
            pixels = rearrange(part.to(self.network.device, self.network.dtype), "n h w c -> 1 n c h w")
            x = self._blocks(vision.spatial_layers, vision.spatial_embeddings(pixels))
            features.append(vision.layernorm1(x))
        return torch.cat(features)

    @torch.no_grad()
    def in_time(self, x: Tensor) -> Tensor:
        """Every patch through all frames: (n, P, D) -> (n, P, D)"""
        vision = self.network.vision_model
        positions = resized(vision.temporal_embeddings.position_embeddings, len(x))
        courses = torch.split(rearrange(x, "n p d -> p n d"), max(1, self._tokens_at_once(x) // len(x)))
        features = [
            vision.layernorm2(self._blocks(vision.temporal_layers, course + positions)) for course in courses
        ]
        return rearrange(torch.cat(features), "p n d -> n p d")

    @torch.no_grad()
    def in_context(self, x: Tensor) -> Tensor:
        """Every patch of every frame beside all others: (n, P, D) -> (n, P, D)"""
        tokens = rearrange(x, "n p d -> 1 (n p) d")
        for block in self.network.auxiliary_layers:
            tokens = self._long_block(block, tokens, self._tokens_at_once(x))
        return rearrange(tokens, "1 (n p) d -> n p d", n=len(x))

    @torch.no_grad()
    def pooled(self, x: Tensor) -> Tensor:
        """(n, tokens, D) -> (n, D) of unit length"""
        heads = [self.network.head(part)[0] for part in torch.split(x, self.frames_at_once)]
        embeddings = self.network.head_layernorm(torch.cat(heads)[:, 0])
        return F.normalize(embeddings.float(), dim=-1)

    def _blocks(self, blocks: nn.ModuleList, x: Tensor) -> Tensor:
        for block in blocks:
            x = block(x, logits_at_once=self.logits_at_once)
        return x

    def _long_block(self, block: Any, tokens: Tensor, at_once: int) -> Tensor:
        """What a block of transformers does, where its inner layer of all tokens at once would be too wide."""
        seen, _ = block.attention(block.layernorm_before(tokens), logits_at_once=self.logits_at_once)
        parts = torch.split(tokens + seen, at_once, dim=1)
        return torch.cat([part + block.mlp(block.layernorm_after(part)) for part in parts], dim=1)

    def _tokens_at_once(self, x: Tensor) -> int:
        return self.frames_at_once * x.shape[1]

    def _check(self, images: Tensor) -> None:
        height, width = self.network.vision_model.spatial_embeddings.patch_embeddings.image_size
        if len(images) == 0 or images.shape[1:3] != (height, width):
            raise UnusableFrames(
                f"VideoPrism needs at least one frame of {width} x {height}, got {len(images)} of "
                f"{images.shape[2]} x {images.shape[1]}; give frames seen through the encoder's view"
            )


def resized(positions: Tensor, n: int) -> Tensor:
    """Positions in time for n frames: (1, N, D) -> (1, n, D); as jax.image.resize does it, "bilinear".

    More frames than N are interpolated, fewer blend all they stand for; beyond the ends nothing is invented.
    """
    known = positions.shape[1]
    places = (torch.arange(n, dtype=torch.float64) + 0.5) * known / n - 0.5
    apart = (places[:, None] - torch.arange(known)).abs()
    weights = (1 - apart / max(1, known / n)).clamp(min=0)
    weights = (weights / weights.sum(dim=1, keepdim=True)).float().to(positions.device)
    return (weights @ positions.float()).to(positions.dtype)


def original(folder: Path) -> Path:
    """The .npz in a folder that holds the original file only, as its makers' repository does; else the folder."""
    return folder if (folder / "config.json").exists() else min(folder.glob("*.npz"), default=folder)


def load_folder(folder: Path, dtype: torch.dtype) -> "VideoPrismVideoModel":
    """From transformers format: the video tower alone, or beside a text tower that is left where it is."""
    with extra_for("VideoPrism"):
        from transformers import VideoPrismVisionConfig

    config = read_config(folder, KINDS)
    network = build(configured(VideoPrismVisionConfig, config.get("vision_config", config), folder), dtype)
    state = {
        name.removeprefix(VIDEO): tensor
        for name, tensor in read_weights(folder).items()
        if not name.startswith(TEXT)
    }
    check_fit(state, {name: tensor.shape for name, tensor in network.state_dict().items()}, folder)
    fill(network, state)
    return network


def load_npz(path: Path, dtype: torch.dtype) -> "VideoPrismVideoModel":
    """From the original file."""
    with extra_for("VideoPrism"):
        from transformers import VideoPrismVisionConfig

    sizes = read_sizes(path)
    config = VideoPrismVisionConfig(
        image_size=sizes.patch * sizes.side,
        num_frames=sizes.frames,
        tubelet_size=[1, sizes.patch, sizes.patch],
        num_channels=COLOURS,
        hidden_size=sizes.width,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.hidden,
        num_spatial_layers=sizes.spatial,
        num_temporal_layers=sizes.temporal,
        num_auxiliary_layers=sizes.auxiliary,
        attn_logit_softcapping=CAP,
    )
    network = build(config, dtype, pooled=sizes.pooled)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    fill(network, read_state(path, shapes, sizes, dtype))
    return network


def build(
    config: "VideoPrismVisionConfig", dtype: torch.dtype, pooled: int | None = None
) -> "VideoPrismVideoModel":
    """On the meta device. pooled: width of the pooler's attention, where it is not that of the blocks."""
    with extra_for("VideoPrism"):
        from transformers import VideoPrismVideoModel

    if config.hidden_act == "gelu_python":
        config.hidden_act = "gelu"  # the same function, rounded once instead of at every step
    config._attn_implementation = capped_attention.register()
    with torch.device("meta"):
        network = VideoPrismVideoModel(config)
        if pooled is not None:
            wide = type(config)(**{**config.to_dict(), "intermediate_size": pooled})
            wide._attn_implementation = config._attn_implementation
            network.head = type(network.head)(wide)
    return ready(network, dtype)
