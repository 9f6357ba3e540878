"""Sounds longer than the model's window, and several sounds at once: windows that flow together, blended at every step.

Every window predicts its own velocity; where windows overlap the velocities are cross-faded, so neighbours agree on
one sound while it forms (MultiDiffusion, arXiv 2302.08113, along time). A sound that fits one window has one. Sounds
that are made together lie end to end on one line, and never share a window.

Shapes: C latent channels, L latent frames of all sounds, T of a window, W windows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from prismaudio.flow.sampler import Velocity

WINDOW = 194  # latent frames, 9 s: the longest the models were trained on
OVERLAP = 32  # at least so many are shared with the next window, 1.5 s


class Window(NamedTuple):
    """A stretch of one sound."""

    sound: int
    start: int  # latent frames from the beginning of its sound


@dataclass(frozen=True)
class Layout:
    """Where the windows of some sounds lie."""

    lengths: tuple[int, ...]  # latent frames of every sound
    width: int  # T

    @classmethod
    def covering(cls, *lengths: int) -> "Layout":
        """Windows as long as the model's, or as the sounds if they are short; sounds of one layout agree on that."""
        widths = {window_width(frames) for frames in lengths}
        if len(widths) != 1:
            raise ValueError(f"sounds of one layout need windows of one width, got {sorted(widths)}")
        return cls(lengths, widths.pop())

    @property
    def frames(self) -> int:
        """L"""
        return sum(self.lengths)

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """Sound by sound: as few as overlap enough, evenly spread."""
        return tuple(
            Window(sound, start)
            for sound, frames in enumerate(self.lengths)
            for start in starts(frames, self.width)
        )

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Where each window begins on the line of all sounds."""
        offsets = (0, *accumulate(self.lengths))
        return tuple(offsets[window.sound] + window.start for window in self.windows)

    def cut(self, x: Tensor) -> Tensor:
        """x: (1, C, L) -> (W, C, T)"""
        return torch.cat([x[..., place : place + self.width] for place in self.places])

    def join(self, windows: Tensor) -> Tensor:
        """windows: (W, C, T) -> (1, C, L), a weighted mean where they overlap."""
        joined = windows.new_zeros(1, windows.shape[1], self.frames)
        weights = self.weights.to(windows)
        for place, window, weight in zip(self.places, windows, weights, strict=True):
            joined[0, :, place : place + self.width] += window * weight
        return joined

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """x: (1, C, L) -> every sound (1, C, its length)"""
        return torch.split(x, list(self.lengths), dim=-1)

    @cached_property
    def weights(self) -> Tensor:
        """(W, T): each rises from its edge, and at every frame of a sound they sum to one."""
        times = torch.arange(self.width, dtype=torch.float64)
        total = torch.zeros(self.frames, dtype=torch.float64)
        rows = []
        for window, place in zip(self.windows, self.places, strict=True):
            first = window.start == 0
            last = window.start + self.width == self.lengths[window.sound]
            rise = torch.full_like(times, math.inf) if first else times + 1
            fall = torch.full_like(times, math.inf) if last else self.width - times
            rows.append(torch.minimum(rise, fall).clamp(max=OVERLAP))
            total[place : place + self.width] += rows[-1]
        spans = [total[place : place + self.width] for place in self.places]
        return torch.stack([row / span for row, span in zip(rows, spans, strict=True)])


def window_width(frames: int) -> int:
    """Of the windows of a sound of so many latent frames."""
    return min(frames, WINDOW)


def starts(frames: int, width: int) -> list[int]:
    """Where the windows of one sound begin."""
    gaps = math.ceil((frames - width) / (width - OVERLAP)) if frames > width else 0
    return [round(i * (frames - width) / gaps) for i in range(gaps + 1)] if gaps else [0]


def blended(groups: Sequence[Velocity], layout: Layout, size: int) -> Velocity:
    """The velocity of the whole line, from those of `size` windows each; the last group may be smaller."""

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        cut = torch.split(layout.cut(x), size)
        return layout.join(torch.cat([flow(part, t) for flow, part in zip(groups, cut, strict=True)]))

    return velocity
