"""The student: a small network that watches motion and names and writes the four thoughts, word after word.

It reads what the motion reader made of the motion, and what the recogniser sees at every place of every picture. A
moment is written by pointing at a frame, and a name by pointing at what is seen: so the student need not know sounds by
heart, and a better recogniser is better at once. What it may write next is what the grammar allows (`language`).

Shapes: B batch, K frames at 25 fps, P pictures, C columns, N names, S tokens that are read (K + 1 + P C), L tokens that
are written, V words, D width, H heads.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from prismaudio.backends.embedded.motion import COLUMNS, MotionEncoder
from prismaudio.models.block import (
    CrossAttention,
    KeysValues,
    SelfAttention,
    SwiGLU,
    merge_heads,
    silent_linear,
)
from prismaudio.models.embeddings import Rotary
from prismaudio.planning.language import ALL_NAMES, FIRST_FRAME, FPS, NAMES, Writer

FRAME_FEATURES = MotionEncoder.dim + 2 * COLUMNS
LEAST_LIKELY = -8.0  # log-probability; below it a name is out of the question
FREQUENCIES = 16
LAST_WORD = FIRST_FRAME + 1  # fixed words, and one that stands for all moments


class Watched(NamedTuple):
    """What is seen of clips of one length."""

    motion: Tensor  # (B, K, 36)
    read: Tensor  # (B, K, 16) what the motion reader says: logits of hits and of activity in 8 bins
    names: Tensor  # (B, P, C, N) log-probabilities of what is at each place
    moments: Tensor  # (P,) seconds of the pictures


class Memory(NamedTuple):
    """What is read while writing; computed once per clip."""

    frames: Tensor  # (B, K + 1, D), the last one for the end of the clip
    tokens: list[KeysValues]  # per layer, of S tokens
    pointers: Tensor  # (B, K + 1, D) what a moment is pointed at by
    places: Tensor  # (B, P C, D) what a place is pointed at by
    names: Tensor  # (B, P C, N)


class Composed(NamedTuple):
    """A text, and the probability of each of its words."""

    tokens: list[int]
    sureness: list[float]


class Student(nn.Module):
    """Watched clips -> words."""

    def __init__(self, width: int = 128, encoder_depth: int = 1, depth: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.width = width
        self.see_frames = nn.Linear(FRAME_FEATURES, width)
        self.near = nn.ModuleList(_Near(width, dilation) for dilation in (1, 2, 4))
        self.rotary = Rotary(width // heads)
        self.encoder = nn.ModuleList(_EncoderLayer(width, heads) for _ in range(encoder_depth))
        self.end = nn.Parameter(torch.randn(width) * 0.02)
        self.see_names = nn.Linear(len(NAMES), width)
        self.place = nn.Linear(4 * FREQUENCIES, width, bias=False)
        self.time = nn.Linear(2 * FREQUENCIES, width, bias=False)
        self.read_norm = nn.LayerNorm(width)

        self.words = nn.Embedding(LAST_WORD, width)
        self.order = nn.Embedding(128, width)
        self.decoder = nn.ModuleList(_DecoderLayer(width, heads) for _ in range(depth))
        self.out_norm = nn.LayerNorm(width)
        self.say = nn.Linear(width, FIRST_FRAME)
        self.point_time, self.pointed_time = nn.Linear(width, width), nn.Linear(width, width)
        self.point_place, self.pointed_place = nn.Linear(width, width), nn.Linear(width, width)
        self.trust = nn.Parameter(torch.tensor(1.0))  # in names that are seen

    def forward(self, watched: Watched, tokens: Tensor) -> Tensor:
        """tokens: (B, L) written so far -> logits of the word after each, (B, L, FIRST_FRAME + K + 1)"""
        return self.write(self.remember(watched), tokens, None)[0]

    def remember(self, watched: Watched) -> Memory:
        """Read the clip."""
        batch, count = watched.motion.shape[:2]
        seconds = torch.arange(count + 1, device=watched.motion.device) / FPS
        x = self.see_frames(torch.cat([watched.motion, watched.read / 4], dim=-1))
        for layer in self.near:
            x = layer(x)
        x = x + self.time(waves(seconds[:-1], FPS))
        rotation = self.rotary(count, x.device)
        for layer in self.encoder:
            x = layer(x, rotation)
        end = (self.end + self.time(waves(seconds[-1:], FPS))).expand(batch, 1, -1)
        frames = torch.cat([x, end.to(x)], dim=1)

        names = watched.names.clamp(min=LEAST_LIKELY)
        azimuths = (torch.arange(names.shape[2], device=x.device) + 0.5) / names.shape[2] * 2 - 1
        where = torch.cat(
            [
                repeat(waves(watched.moments.to(x.device), FPS), "p w -> p c w", c=len(azimuths)),
                repeat(waves(azimuths, 8.0), "c w -> p c w", p=len(watched.moments)),
            ],
            dim=-1,
        )
        places = rearrange(self.see_names(names.exp()) + self.place(where), "b p c d -> b (p c) d")
        tokens = self.read_norm(torch.cat([frames, places], dim=1))
        return Memory(
            frames=frames,
            tokens=[layer.cross.prepare(tokens) for layer in self._layers()],
            pointers=self.pointed_time(frames),
            places=self.pointed_place(places),
            names=rearrange(names, "b p c n -> b (p c) n"),
        )

    def _layers(self) -> Iterator["_DecoderLayer"]:
        return (layer for layer in self.decoder if isinstance(layer, _DecoderLayer))

    def write(
        self, memory: Memory, tokens: Tensor, past: list[KeysValues] | None
    ) -> tuple[Tensor, list[KeysValues]]:
        """tokens: (B, L), those after the ones that made `past` -> logits (B, L, ...), and the new past."""
        start = past[0].keys.shape[2] if past else 0
        moments = (tokens - FIRST_FRAME).clamp(min=0)
        pointed = torch.gather(memory.frames, 1, moments[..., None].expand(-1, -1, self.width))
        x = self.words(tokens.clamp(max=FIRST_FRAME))
        x = x + torch.where((tokens >= FIRST_FRAME)[..., None], pointed, 0.0).to(x)
        x = x + self.order(torch.arange(start, start + tokens.shape[1], device=x.device))
        new: list[KeysValues] = []
        for i, layer in enumerate(self._layers()):
            x, kept = layer(x, past[i] if past else None, memory.tokens[i])
            new.append(kept)
        h = self.out_norm(x)

        said = self.say(h)
        attention = (self.point_place(h) @ memory.places.mT / self.width**0.5).softmax(dim=-1)
        seen = attention @ memory.names.to(attention) * self.trust
        first, last = ALL_NAMES.start, ALL_NAMES.stop
        said = torch.cat([said[..., :first], said[..., first:last] + seen, said[..., last:]], dim=-1)
        when = self.point_time(h) @ memory.pointers.mT / self.width**0.5
        return torch.cat([said, when], dim=-1), new

    @torch.no_grad()
    def compose(self, watched: Watched) -> Composed:
        """The likeliest word after the likeliest word, of those that the grammar allows; a batch of one clip."""
        memory = self.remember(watched)
        writer = Writer(watched.motion.shape[1])
        past: list[KeysValues] | None = None
        written, sureness = _BEGINNING, []
        while not writer.finished:
            logits, past = self.write(memory, torch.tensor([[written]]), past)
            allowed = torch.from_numpy(writer.mask()[: logits.shape[-1]])
            shares = logits[0, -1].float().masked_fill(~allowed, -torch.inf).softmax(dim=-1)
            written = int(shares.argmax())
            sureness.append(float(shares[written]))
            writer.write(written)
        return Composed(writer.tokens, sureness)


_BEGINNING = 0  # what stands before the first word: the same as stands at the end of the text before


def beginning_with(tokens: Sequence[int]) -> list[int]:
    """What is read when `tokens` are to be written: each is told by those before it."""
    return [_BEGINNING, *tokens[:-1]]


def waves(values: Tensor, fastest: float) -> Tensor:
    """values: (n,) -> (n, 2 * FREQUENCIES) sines and cosines, up to half of `fastest` turns per unit."""
    steps = torch.arange(FREQUENCIES, device=values.device) / (FREQUENCIES - 1)
    turns = fastest / 2 * (0.02 / fastest) ** steps
    phase = 2 * np.pi * values.float()[:, None] * turns
    return torch.cat([phase.cos(), phase.sin()], dim=-1)


class _Near(nn.Module):
    """What happens just before and after a frame."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation, groups=8)
        self.leave = silent_linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, D) -> (B, K, D)"""
        return x + self.leave(F.gelu(self.mix(self.norm(x).mT).mT))


class _EncoderLayer(nn.Module):
    """Every frame looks at every frame."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.feed = SwiGLU(width, 2 * width)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        """(B, K, D) -> (B, K, D)"""
        x = x + self.attention(self.norm(x), rotation)
        return x + self.feed(self.feed_norm(x))


class _DecoderLayer(nn.Module):
    """A word looks at the words before it, and at the clip."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.cross_norm, self.feed_norm = (nn.LayerNorm(width) for _ in range(3))
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = silent_linear(width, width)
        self.cross = CrossAttention(width, heads)
        self.feed = SwiGLU(width, 2 * width)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor, past: KeysValues | None, read: KeysValues) -> tuple[Tensor, KeysValues]:
        """x: (B, L, D) -> the same, and the keys and values of all words so far"""
        q, k, v = rearrange(
            self.to_qkv(self.norm(x)), "b n (three h p) -> three b h n p", three=3, h=self.heads
        )
        if past is not None:
            k, v = torch.cat([past.keys, k], dim=2), torch.cat([past.values, v], dim=2)
        causal = past is None  # a single word may look at all before it
        x = x + self.drop(self.to_out(merge_heads(F.scaled_dot_product_attention(q, k, v, is_causal=causal))))
        x = x + self.drop(self.cross(self.cross_norm(x), read, None))
        return x + self.drop(self.feed(self.feed_norm(x))), KeysValues(k, v)
