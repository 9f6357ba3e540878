"""The audio transformer of PrismAudio: which way a noisy latent flows to become the sound of a video.

The published network, number for number (spec model.md section 3).

Shapes: B batch, C latent channels, T latent frames, S condition tokens, D width, H heads, P head width.
"""

from collections.abc import Iterable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from prismaudio.models.block import DiTBlock, KeysValues
from prismaudio.models.conditioning import Conditioner, Conditions, Features, Keep
from prismaudio.models.embeddings import Rotary, TimeEmbedding, TokenMLP, resample


class Prepared(NamedTuple):
    """All a clip's conditions do to the transformer, computed once and read at every sampler step."""

    addition: Tensor  # (B, T, D), gated video plus gated sync
    read: tuple[KeysValues, ...] | None  # per block; None when there is no token to read
    mask: Tensor | None  # (B, 1, 1, S) bool

    def select(self, clips: Tensor) -> "Prepared":
        """The same for `clips`, a (N,) tensor of indices: repeats make groups that share a clip."""
        return Prepared(
            addition=self.addition[clips],
            read=None if self.read is None else tuple(KeysValues(k[clips], v[clips]) for k, v in self.read),
            mask=None if self.mask is None else self.mask[clips],
        )


class DiT(nn.Module):
    """Latent frames and one time token through `depth` blocks; predicts the velocity noise - data."""

    empty_sync: Tensor

    def __init__(self, latent_channels: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.time = TimeEmbedding(width)
        self.embed_cross = TokenMLP(width, width)
        self.embed_video = TokenMLP(width, width)
        self.embed_sync = TokenMLP(width, width)
        self.video_gate = nn.Parameter(torch.ones(1, 1, width))
        self.sync_gate = nn.Parameter(torch.zeros(1, 1, width))
        # a buffer, for no gradient ever reached it
        self.register_buffer("empty_sync", torch.zeros(1, width))

        self.mix_in = silent_mix(latent_channels)
        self.project_in = nn.Linear(latent_channels, width, bias=False)
        self.rotary = Rotary(width // heads)
        self.blocks = nn.ModuleList(DiTBlock(width, heads) for _ in range(depth))
        self.project_out = nn.Linear(width, latent_channels, bias=False)
        self.mix_out = silent_mix(latent_channels)

    def forward(self, x: Tensor, t: Tensor, prepared: Prepared | None) -> Tensor:
        """x: (B, C, T), t: () or (1,) shared by the batch, or (B,) -> velocity (B, C, T)

        `prepared` None is the unconditional velocity, that of conditions which are all zero (model.md 4).
        Without biases zeros stay zeros, so neither the additions nor the cross-attention need to run.
        Computes in the number format of its weights, whatever that of x.
        """
        x = x.to(self.project_in.weight.dtype)
        h = self.project_in((x + self.mix_in(x)).mT)
        if prepared is not None:
            h = h + prepared.addition
        time = self.time(t.reshape(-1))[:, None].expand(len(x), -1, -1)
        h = torch.cat([time.to(h), h], dim=1)

        rotation = self.rotary(h.shape[1], h.device)
        read, mask = (None, None) if prepared is None else (prepared.read, prepared.mask)
        for index, block in enumerate(self.blocks):
            h = block(h, rotation, None if read is None else read[index], mask)

        x = self.project_out(h[:, 1:]).mT
        return x + self.mix_out(x)

    def prepare(self, conditions: Conditions, frames: int) -> Prepared:
        """Embed the conditions for a sound of `frames` latent frames. Differentiable: training uses it too.

        Video is embedded, then stretched; sync is stretched, then embedded: so it was published and trained.
        """
        video = resample(self.embed_video(conditions.video), frames, conditions.video_mask)
        sync = self.embed_sync(resample(conditions.sync, frames))
        addition = torch.sigmoid(self.video_gate) * video + torch.sigmoid(self.sync_gate) * sync
        if conditions.cross.shape[1] == 0:
            return Prepared(addition, None, None)
        cross = self.embed_cross(conditions.cross)
        blocks = cast(Iterable[DiTBlock], self.blocks)
        read = tuple(block.cross_attention.prepare(cross) for block in blocks)
        return Prepared(addition, read, readable(conditions.cross_mask))

    def without_sync(self, conditions: Conditions) -> Conditions:
        """What the released predict.py computes, one constant for every sync token (spec model.md, B1)."""
        return conditions._replace(sync=self.empty_sync.expand(len(conditions.sync), 1, -1))


class ConditionedDiT(nn.Module):
    """Conditioner and transformer as one trainable module; its forward is what a training step needs."""

    def __init__(
        self,
        latent_channels: int,
        width: int,
        depth: int,
        heads: int,
        video_dim: int,
        text_dim: int,
        sync_dim: int,
    ) -> None:
        super().__init__()
        self.conditioner = Conditioner(video_dim, text_dim, sync_dim, width)
        self.dit = DiT(latent_channels, width, depth, heads)

    def forward(self, x: Tensor, t: Tensor, features: Features, keep: Keep | None) -> Tensor:
        """x: (B, C, T), t: (B,) -> velocity (B, C, T). `keep` None keeps every condition."""
        conditions = self.conditioner(features)
        if keep is not None:
            conditions = conditions.keep(keep)
        return self.dit(x, t, self.dit.prepare(conditions, x.shape[-1]))

    def prepare(self, features: Features, frames: int) -> Prepared:
        """Everything a sampler needs to know of the clips, once."""
        return self.dit.prepare(self.conditioner(features), frames)


def readable(mask: Tensor | None) -> Tensor | None:
    """mask: (B, S) bool -> (B, 1, 1, S). A clip without real tokens reads zeros, which add nothing.

    Some of torch's ways to attend answer nan where nothing may be read.
    """
    if mask is None:
        return None
    return (mask | ~mask.any(dim=1, keepdim=True))[:, None, None]


def silent_mix(channels: int) -> nn.Conv1d:
    """A residual mix of the latent channels of one frame, zero at first."""
    layer = nn.Conv1d(channels, channels, 1, bias=False)
    nn.init.zeros_(layer.weight)
    return layer
