"""From features of the picture and the plan to condition tokens, and what may be left out of them.

Shapes: B batch, V video frames, L text tokens, Y sync tokens, S = V + L, D width of the transformer.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from prismaudio.models.embeddings import TokenMLP

SYNC_TOKENS_PER_SEGMENT = 8


class Features(NamedTuple):
    """What the perception models say about a batch of clips.

    A mask is True at real tokens, False all along for a clip that has none; None if every token is real.
    A clip without sync is left out by `Keep`, for its zero features would not be zero tokens.
    """

    video: Tensor  # (B, V, video width)
    text: Tensor  # (B, L, text width)
    sync: Tensor  # (B, Y, sync width), Y a multiple of 8
    video_mask: Tensor | None = None  # (B, V) bool
    text_mask: Tensor | None = None  # (B, L) bool


class Keep(NamedTuple):
    """Which clips keep which condition: (B,) bool each. False is exactly the published zeros."""

    cross: Tensor  # everything cross-attention reads, video and text
    video: Tensor  # the video added to the frames
    sync: Tensor  # the sync added to the frames


class Conditions(NamedTuple):
    """Condition tokens at the width of the transformer, before it embeds them."""

    cross: Tensor  # (B, S, D), video tokens first
    video: Tensor  # (B, V, D), the same video tokens, to be added over time
    sync: Tensor  # (B, Y, D)
    cross_mask: Tensor | None = None  # (B, S) bool
    video_mask: Tensor | None = None  # (B, V) bool

    def keep(self, keep: Keep) -> "Conditions":
        """Zeros for the clips that are not kept (spec model.md sections 4 and 9)."""
        return self._replace(
            cross=self.cross * keep.cross.to(self.cross)[:, None, None],
            video=self.video * keep.video.to(self.video)[:, None, None],
            sync=self.sync * keep.sync.to(self.sync)[:, None, None],
        )

    def select(self, clips: Tensor) -> "Conditions":
        """The conditions of `clips`, a (N,) tensor of indices: repeats make groups that share a clip."""
        cross_mask = None if self.cross_mask is None else self.cross_mask[clips]
        video_mask = None if self.video_mask is None else self.video_mask[clips]
        return Conditions(self.cross[clips], self.video[clips], self.sync[clips], cross_mask, video_mask)


class Conditioner(nn.Module):
    """Three small networks, one per kind of feature, and the place of a sync token in its segment.

    Video or text features that are zero become zero tokens; sync features do not, because of their place.
    (Spec model.md section 2.)
    """

    def __init__(self, video_dim: int, text_dim: int, sync_dim: int, width: int) -> None:
        super().__init__()
        self.video = TokenMLP(video_dim, width)
        self.text = TokenMLP(text_dim, width)
        self.sync = TokenMLP(sync_dim, width)
        self.sync_position = nn.Parameter(
            nn.init.normal_(torch.empty(1, 1, SYNC_TOKENS_PER_SEGMENT, sync_dim), std=0.02)
        )

    def forward(self, features: Features) -> Conditions:
        """Sync tokens keep their number here; the transformer stretches them to the frames of its sound."""
        number_format = self.sync_position.dtype
        video = blank(self.video(features.video.to(number_format)), features.video_mask)
        text = blank(self.text(features.text.to(number_format)), features.text_mask)
        return Conditions(
            cross=torch.cat([video, text], dim=1),
            video=video,
            sync=self.sync_tokens(features.sync.to(number_format)),
            cross_mask=join_masks(features),
            video_mask=features.video_mask,
        )

    def sync_tokens(self, sync: Tensor) -> Tensor:
        """sync: (B, Y, sync width) -> (B, Y, D). Each of the 8 tokens of a segment is told which it is."""
        count = sync.shape[1]
        if count % SYNC_TOKENS_PER_SEGMENT:
            raise ValueError(
                f"sync tokens come in segments of 8, got {count}; leave the incomplete segment out"
            )
        places = self.sync_position[0].repeat(1, count // SYNC_TOKENS_PER_SEGMENT, 1)  # (1, Y, sync width)
        return self.sync(sync + places)


def pad(features: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Clips of (length, width) each -> (B, longest, width) with zeros behind, and its mask (B, longest).

    Clips of one length need no mask, which lets attention take its fastest way.
    """
    padded = nn.utils.rnn.pad_sequence(list(features), batch_first=True)
    lengths = torch.tensor([len(feature) for feature in features], device=padded.device)
    mask = torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]
    return padded, None if bool((lengths == padded.shape[1]).all()) else mask


def draw_keep(clips: int, drop: float, generator: torch.Generator) -> Keep:
    """Drop each condition of each clip with probability `drop`, three independent draws (spec model.md 9)."""
    kept = torch.rand(3, clips, generator=generator, device=generator.device) >= drop
    return Keep(cross=kept[0], video=kept[1], sync=kept[2])


def blank(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """tokens: (B, S, D), mask: (B, S) -> tokens, zero where nothing is real."""
    return tokens if mask is None else tokens * mask[..., None].to(tokens)


def join_masks(features: Features) -> Tensor | None:
    """-> (B, V + L) bool, or None when every token of every clip is real."""
    if features.video_mask is None and features.text_mask is None:
        return None
    masks = [
        torch.ones_like(tokens[..., 0], dtype=torch.bool) if mask is None else mask
        for tokens, mask in ((features.video, features.video_mask), (features.text, features.text_mask))
    ]
    return torch.cat(masks, dim=1)
