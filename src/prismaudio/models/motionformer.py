"""Motionformer: what moves in segments of a video, seen by Synchformer (spec model.md section 6).

A segment is a few frames, two of which become one instant. Segments overlap by half.
Shapes: n frames, h height, w width, B segments, T instants of a segment, S patches of an instant, N = 1 + T * S,
D width, H heads, P head width.
"""

from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

FRAMES_PER_INSTANT = 2
EPS = 1e-6  # of every norm
GROUPED = {"time": "b s h t p", "space": "b t h s p"}  # where attention may look: the last but one axis


class Motionformer(nn.Module):
    """Frames to one token per instant: patches, attention divided into time and space, then a pool over space.

    Attention is "divided" as in TimeSformer (arXiv 2102.05095); published: width 768, depth 12, heads 12.
    """

    def __init__(
        self, width: int, depth: int, heads: int, patch: int = 16, grid: int = 14, frames: int = 16
    ) -> None:
        super().__init__()
        if frames % (2 * FRAMES_PER_INSTANT):
            raise ValueError(
                f"half a segment must be whole pairs of frames, got {frames}; use a multiple of 4"
            )
        self.instants = frames // FRAMES_PER_INSTANT
        self.patches = PatchEmbedding(width, patch)
        self.class_token = embedding(1, 1, width)
        self.position = embedding(1, 1 + grid**2, width)  # the class token's, then those of the patches
        self.time = embedding(1, self.instants, width)
        self.blocks = nn.ModuleList(DividedBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.pool = TokenPool(width, heads)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (n, 3, h, w) in -1..1, at least one segment -> (B, T, D). A last partial segment is left out."""
        x = self.tokens(frames)
        for block in self.blocks:
            x = block(x, self.instants)
        x = rearrange(self.norm(x[:, 1:]), "b (t s) d -> (b t) s d", t=self.instants)
        return self.pool(x).unflatten(0, (-1, self.instants))

    def tokens(self, frames: Tensor) -> Tensor:
        """(n, 3, h, w) -> (B, N, D): the class token, then the patches of all instants.

        Every patch is embedded once, though two segments hold it; its place in time differs between them.
        """
        overlapping = self.patches(frames).unfold(0, self.instants, self.instants // 2)  # (B, S, D, T)
        place = self.position[:, None, 1:] + self.time[:, :, None]  # (1, T, S, D)
        patches = rearrange(overlapping, "b s d t -> b t s d") + place
        class_token = (self.class_token + self.position[:, :1]).expand(len(patches), -1, -1)
        return torch.cat([class_token, patches.flatten(1, 2)], dim=1)


class PatchEmbedding(nn.Module):
    """A convolution whose stride is its size, as one matrix product: not every device has it in three dimensions."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.weight = embedding(width, 3, FRAMES_PER_INSTANT, patch, patch)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, frames: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n / 2, S, D), row by row"""
        pixels = rearrange(
            frames[: len(frames) // FRAMES_PER_INSTANT * FRAMES_PER_INSTANT],
            "(t u) c (y p) (x q) -> t (y x) (c u p q)",
            u=FRAMES_PER_INSTANT,
            p=self.patch,
            q=self.patch,
        )
        return F.linear(pixels, self.weight.flatten(1), self.bias)


class DividedBlock(nn.Module):
    """Attention over time, attention over space, feed-forward: three plain pre-norm residuals."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.time_norm = nn.LayerNorm(width, eps=EPS)
        self.time_attention = DividedAttention(width, heads, "time")
        self.space_norm = nn.LayerNorm(width, eps=EPS)
        self.space_attention = DividedAttention(width, heads, "space")
        self.feed_norm = nn.LayerNorm(width, eps=EPS)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor, instants: int) -> Tensor:
        """(B, N, D) -> (B, N, D)"""
        x = x + self.time_attention(self.time_norm(x), instants)
        x = x + self.space_attention(self.space_norm(x), instants)
        return x + self.feed_forward(self.feed_norm(x))


class DividedAttention(nn.Module):
    """A patch looks at its own place at all times, or at all places of its time; and at the class token.

    The class token looks at everything.
    """

    def __init__(self, width: int, heads: int, along: Literal["time", "space"]) -> None:
        super().__init__()
        self.heads = heads
        self.grouped = GROUPED[along]
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)

    def forward(self, x: Tensor, instants: int) -> Tensor:
        """(B, N, D) -> (B, N, D)"""
        q, k, v = rearrange(self.to_qkv(x), "b n (three h p) -> three b h n p", three=3, h=self.heads)
        class_token = F.scaled_dot_product_attention(q[:, :, :1], k, v)  # (B, H, 1, P)

        grouped_q = self._group(q, instants)
        patches = F.scaled_dot_product_attention(
            grouped_q.flatten(0, 1),  # a group is an item of the batch: the fused kernels want four axes
            self._with_class_token(k, instants),
            self._with_class_token(v, instants),
        ).view_as(grouped_q)
        merged = rearrange(patches, f"{self.grouped} -> b (t s) (h p)")
        return self.to_out(torch.cat([rearrange(class_token, "b h n p -> b n (h p)"), merged], dim=1))

    def _group(self, y: Tensor, instants: int) -> Tensor:
        """(B, H, N, P) -> the patches alone, (B, G, H, M, P): G groups of M that see each other"""
        return rearrange(y[:, :, 1:], f"b h (t s) p -> {self.grouped}", t=instants)

    def _with_class_token(self, y: Tensor, instants: int) -> Tensor:
        """(B, H, N, P) -> (B * G, H, 1 + M, P)"""
        groups = self._group(y, instants)
        class_token = y[:, None, :, :1].expand(-1, groups.shape[1], -1, -1, -1)
        return torch.cat([class_token, groups], dim=3).flatten(0, 1)


class FeedForward(nn.Module):
    """Two layers, four times as wide between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)"""
        return self.contract(F.gelu(self.expand(x)))


class TokenPool(nn.Module):
    """Many tokens to one: the class token of a transformer layer, and nothing of it that only others need."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.class_token = embedding(1, 1, width)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width, eps=EPS)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, D)"""
        class_token = self.class_token.expand(len(x), -1, -1)
        read = self.norm(torch.cat([class_token, x], dim=1))
        pooled = class_token + self.to_out(self._attend(read))
        return (pooled + self.feed_forward(self.feed_norm(pooled)))[:, 0]

    def _attend(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, 1, D), what the first token sees"""
        weight, bias, width = self.to_qkv.weight, self.to_qkv.bias, x.shape[-1]
        q = rearrange(F.linear(x[:, :1], weight[:width], bias[:width]), "b n (h p) -> b h n p", h=self.heads)
        k, v = rearrange(
            F.linear(x, weight[width:], bias[width:]), "b n (two h p) -> two b h n p", two=2, h=self.heads
        )
        return rearrange(F.scaled_dot_product_attention(q, k, v), "b h n p -> b n (h p)")


def embedding(*shape: int) -> nn.Parameter:
    """Small random numbers to be learned."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))
