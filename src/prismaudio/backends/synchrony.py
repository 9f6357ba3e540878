"""What a judge of synchrony says of a sound, and the three ways in which it is read.

Shapes: B sounds, W windows of a film, O offsets.
"""

from typing import NamedTuple

import torch
from torch import Tensor

LONGEST_OFFSET = 2.0  # seconds
OFFSETS = 21


def offset_grid() -> Tensor:
    """-> (21,) seconds, -2 to 2; positive means that the sound is early"""
    return torch.linspace(-LONGEST_OFFSET, LONGEST_OFFSET, OFFSETS)


class Synchrony(NamedTuple):
    """How likely each offset is, in every window; windows rise in time and cover all of the film."""

    logits: Tensor  # (B, W, O)
    starts: tuple[float, ...]  # seconds at which the windows begin

    @property
    def offsets(self) -> Tensor:
        """(B, W) the likeliest, in seconds; positive means that the sound is early"""
        return offset_grid().to(self.logits.device)[self.logits.argmax(dim=-1)]

    def desync(self) -> Tensor:
        """-> (B,) seconds, 0 to 2, lower is better: the DeSync of av-benchmark, of the first and the last window"""
        return self.offsets[:, [0, -1]].abs().mean(dim=-1)

    def together(self) -> Tensor:
        """-> (B,) seconds: the offset that all windows together hold for the likeliest, as if it were one for all"""
        votes = self.logits.float().log_softmax(dim=-1).sum(dim=1)
        return offset_grid().to(votes.device)[votes.argmax(dim=-1)]

    def expected(self) -> Tensor:
        """-> (B,) 0 to 1: one minus the expected |offset| over 2 s, of all windows (spec rewards.md 1.2)

        Unlike the likeliest offset it moves with every change of the sound, so that a group has no ties.
        """
        away = (self.logits.float().softmax(dim=-1) * offset_grid().abs().to(self.logits.device)).sum(dim=-1)
        return 1 - away.mean(dim=-1) / LONGEST_OFFSET

    def published_reward(self) -> Tensor:
        """-> (B,) 0 to 0.5: what PrismAudio was rewarded with, (2 - |likeliest offset|) / 4 of the first window"""
        return (LONGEST_OFFSET - self.offsets[:, 0].abs()) / 4
