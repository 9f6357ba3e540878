"""A panel of four judges, one for each thought: the reward of every dimension, and of all together.

Shapes: B sounds of one film, D = 4 dimensions in their order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from prismaudio.backends.availability import NotAvailable, available
from prismaudio.backends.base import Sounds
from prismaudio.config import Config
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.rewards import Case, Opinion, Reward
from prismaudio.media.preprocess import View


class Weights(Config):
    """How much each dimension counts; the defaults are the released trainer's (spec rl.md section 3)."""

    semantic: NonNegativeFloat = 1.0
    temporal: NonNegativeFloat = 0.6
    aesthetic: NonNegativeFloat = 0.1
    spatial: NonNegativeFloat = 0.4

    def vector(self) -> Tensor:
        """-> (D,)"""
        return torch.tensor([getattr(self, name) for name in DIMENSIONS])


EVEN = Weights(semantic=1.0, temporal=1.0, aesthetic=1.0, spatial=1.0)


class Verdict(NamedTuple):
    """What the panel says of the sounds of one film."""

    rewards: Tensor  # (B, D) float32 on the CPU; NaN where a judge has nothing to say
    raw: dict[str, Tensor]  # "temporal.desync" and so on: the judges' own figures, (B,) each
    reasons: dict[str, str]  # dimension -> why it was not scored

    def total(self, weights: Weights) -> Tensor:
        return total(self.rewards, weights)


def total(rewards: Tensor, weights: Weights) -> Tensor:
    """(..., D) -> (...): the weighted mean of what was scored, so 0 to 1 if rewards are; NaN where nothing was."""
    scored = ~rewards.isnan()
    share = weights.vector().to(rewards) * scored
    return (rewards.nan_to_num() * share).sum(dim=-1) / share.sum(dim=-1).where(
        share.sum(dim=-1) > 0, torch.nan
    )


@dataclass(frozen=True, eq=False)
class Panel:
    """A reward for each dimension, or why there is none."""

    members: Mapping[str, Reward | NotAvailable]  # by dimension

    @property
    def names(self) -> dict[str, str]:
        """Dimension -> who judges it, or "n/a: reason"."""
        return {
            name: str(member) if isinstance(member, NotAvailable) else "+".join(j.name for j in member.judges)
            for name, member in self.members.items()
        }

    @property
    def versions(self) -> dict[str, dict[str, str]]:
        """Judge -> what its opinions rest on."""
        present = [member for member in self.members.values() if not isinstance(member, NotAvailable)]
        return {judge.name: dict(judge.versions) for member in present for judge in member.judges}

    @property
    def views(self) -> tuple[View, ...]:
        """All in which somebody wants to see the film, each once."""
        present = [member for member in self.members.values() if not isinstance(member, NotAvailable)]
        return tuple(dict.fromkeys(view for member in present for view in member.views))

    @torch.no_grad()
    def judge(self, sounds: Sounds, case: Case) -> Verdict:
        """Sounds of one film, made for one plan; they should be equally loud (`generation.judging.levelled`)."""
        rewards = torch.full((len(sounds.samples), len(DIMENSIONS)), torch.nan)
        raw: dict[str, Tensor] = {}
        reasons: dict[str, str] = {}
        for number, name in enumerate(DIMENSIONS):
            opinion = self._ask(name, sounds, case)
            if isinstance(opinion, NotAvailable):
                reasons[name] = opinion.reason
                continue
            rewards[:, number] = opinion.reward.float().cpu()
            raw |= {f"{name}.{figure}": values.float().cpu() for figure, values in opinion.raw.items()}
        return Verdict(rewards, raw, reasons)

    def _ask(self, name: str, sounds: Sounds, case: Case) -> Opinion | NotAvailable:
        member = self.members.get(name, NotAvailable(name, "nobody was asked"))
        if isinstance(member, NotAvailable):
            return member
        return available(name, lambda: member(sounds, case))
