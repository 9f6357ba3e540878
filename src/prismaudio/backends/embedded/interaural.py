"""Judges of direction that need no weights: delay and level between the ears, beside those of a reference."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from prismaudio.backends.base import Sounds
from prismaudio.models.interaural import Interaural, listen, side_to_middle

Cue = Literal["delay", "level", "both"]

NAMES: dict[Cue, str] = {"delay": "itd_gcc", "level": "ild", "both": "itd_gcc+ild"}
WORST_DELAY = 0.5e-3  # seconds; further off is no worse
WORST_LEVEL = 12.0  # dB
NARROWEST = -25.0  # dB of side over middle; a narrower reference is mono, and has no direction to keep


class InterauralJudge:
    """A `SpatialJudge`: GCC-PHAT, by default the delay alone (spec rewards.md 1.4 and 4.2)."""

    def __init__(self, cue: Cue = "delay") -> None:
        self.cue = cue
        self.name = NAMES[cue]
        self.versions: Mapping[str, str] = {"preparation": "16 kHz, 0.24 s windows, medians of 0.5 s blocks"}

    def delays(self, sounds: Sounds) -> Tensor:
        """-> (B, T) seconds by which the right channel lags, one a block of 0.5 s; NaN where it is silent"""
        return listen(sounds.samples, sounds.sample_rate).delay

    def score(self, sounds: Sounds, references: Sounds) -> Tensor:
        """-> (B,) 0 to 1; NaN where the reference is mono or silent

        Blocks in which the reference is silent do not count; a sound that is silent where it is not is wrong there.
        """
        ours, theirs = (listen(x.samples, x.sample_rate) for x in (sounds, references))
        delay, level = agreement(ours, theirs)
        score = {"delay": delay, "level": level, "both": (delay + level) / 2}[self.cue]
        return torch.where(directed(references), score, torch.nan)


def directed(references: Sounds) -> Tensor:
    """-> (B,) whether a reference has a direction at all"""
    return side_to_middle(references.samples) > NARROWEST


def agreement(ours: Interaural, theirs: Interaural) -> tuple[Tensor, Tensor]:
    """-> (B,) twice, 0 to 1: how alike delays and levels are, in the mean over time"""
    return closeness(ours.delay, theirs.delay, WORST_DELAY), closeness(ours.level, theirs.level, WORST_LEVEL)


def closeness(ours: Tensor, theirs: Tensor, worst: float) -> Tensor:
    """(B, T) twice -> (B,): 1 - mean of min(|difference| / worst, 1), over the moments at which `theirs` is a number."""
    length = min(ours.shape[-1], theirs.shape[-1])
    ours, theirs = ours[..., :length], theirs[..., :length]
    off = torch.where(ours.isnan(), 1.0, ((ours - theirs).abs() / worst).clamp(max=1))
    return 1 - torch.where(theirs.isnan(), torch.nan, off).nanmean(dim=-1)
