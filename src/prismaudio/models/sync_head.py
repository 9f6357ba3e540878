"""Synchformer's judge of synchrony: tokens of a film and of its sound together, and a vote on 21 offsets.

Shapes: B batch, V visual tokens, A audible tokens, S = V + A + 2, D width, H heads, P head width, O offsets.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from prismaudio.models.motionformer import FeedForward, embedding


class SyncHead(nn.Module):
    """A token that votes reads those of the picture, a token that separates, and those of the sound."""

    def __init__(self, width: int, depth: int, heads: int, tokens: int, offsets: int = 21) -> None:
        """tokens: S; published: width 768, depth 3, heads 8, tokens 198."""
        super().__init__()
        self.from_video = nn.Linear(width, width)
        self.from_audio = nn.Linear(width, width)
        self.video_norm = nn.LayerNorm(width)
        self.audio_norm = nn.LayerNorm(width)
        self.vote = embedding(1, 1, width)
        self.between = embedding(1, 1, width)
        self.position = embedding(1, tokens, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.to_offsets = nn.Linear(width, offsets)

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """video: (B, V, D), audio: (B, A, D) -> (B, O) logits"""
        video = self.video_norm(self.from_video(video))
        audio = self.audio_norm(self.from_audio(audio))
        vote, between = (token.expand(len(video), -1, -1) for token in (self.vote, self.between))
        x = torch.cat([vote, video, between, audio], dim=1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.to_offsets(self.norm(x[:, 0]))


class Block(nn.Module):
    """Attention to everything and a feed-forward network, both pre-norm residuals."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.to_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, D) -> (B, S, D)"""
        read = self.norm(x)
        q, k, v = (
            rearrange(layer(read), "b s (h p) -> b h s p", h=self.heads)
            for layer in (self.query, self.key, self.value)
        )
        seen = rearrange(F.scaled_dot_product_attention(q, k, v), "b h s p -> b s (h p)")
        x = x + self.to_out(seen)
        return x + self.feed_forward(self.feed_norm(x))
