"""Sounds longer than the model's window: overlapping windows that flow together, blended at every step.

Every window predicts its own velocity; where windows overlap the velocities are cross-faded, so neighbours agree on
one sound while it forms (MultiDiffusion, arXiv 2302.08113, along time). A sound that fits one window has one.

Shapes: C latent channels, L latent frames of the sound, T of a window, W windows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prismaudio.flow.sampler import Velocity

WINDOW = 194  # latent frames, 9 s: the longest the embedded model was trained on
OVERLAP = 32  # at least so many are shared with the next window, 1.5 s
GROUP = 8  # windows that go through the transformer together


@dataclass(frozen=True)
class Layout:
    """Where the windows of a sound lie."""

    frames: int  # L
    width: int  # T
    starts: tuple[int, ...]

    @classmethod
    def covering(cls, frames: int) -> "Layout":
        """As few windows as overlap enough, evenly spread; one of the sound's own length if it is short."""
        if frames <= WINDOW:
            return cls(frames, frames, (0,))
        gaps = math.ceil((frames - WINDOW) / (WINDOW - OVERLAP))
        return cls(frames, WINDOW, tuple(round(i * (frames - WINDOW) / gaps) for i in range(gaps + 1)))

    def cut(self, x: Tensor) -> Tensor:
        """x: (1, C, L) -> (W, C, T)"""
        return torch.cat([x[..., start : start + self.width] for start in self.starts])

    def join(self, windows: Tensor) -> Tensor:
        """windows: (W, C, T) -> (1, C, L), a weighted mean where they overlap."""
        joined = windows.new_zeros(1, windows.shape[1], self.frames)
        for start, window, weight in zip(self.starts, windows, self.weights().to(windows), strict=True):
            joined[0, :, start : start + self.width] += window * weight
        return joined

    def weights(self) -> Tensor:
        """-> (W, T): each rises from its edge, and at every frame of the sound they sum to one."""
        times = torch.arange(self.width, dtype=torch.float64)
        total = torch.zeros(self.frames, dtype=torch.float64)
        rows = []
        for start in self.starts:
            first, last = start == 0, start + self.width == self.frames
            rise = torch.full_like(times, math.inf) if first else times + 1
            fall = torch.full_like(times, math.inf) if last else self.width - times
            rows.append(torch.minimum(rise, fall).clamp(max=OVERLAP))
            total[start : start + self.width] += rows[-1]
        spans = [total[start : start + self.width] for start in self.starts]
        return torch.stack([row / span for row, span in zip(rows, spans, strict=True)])


def blended(groups: Sequence[Velocity], layout: Layout) -> Velocity:
    """The velocity of the whole sound, from those of `GROUP` windows each."""

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        cut = torch.split(layout.cut(x), GROUP)
        return layout.join(torch.cat([flow(part, t) for flow, part in zip(groups, cut, strict=True)]))

    return velocity
