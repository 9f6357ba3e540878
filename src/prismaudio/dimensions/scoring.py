"""A panel of four judges, one for each thought: the reward of every dimension, and of all together.

Shapes: B sounds of one film, D = 4 dimensions in their order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from prismaudio.backends.availability import NotAvailable, available
from prismaudio.backends.base import Sounds
from prismaudio.config import Config
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.rewards import Case, Opinion, Reward, Scaling
from prismaudio.media.preprocess import View

INAUDIBLE = 1e-9  # mean power below which a sound is silent, -90 dBFS: there is nothing to judge
SILENT = "the sound is silent"

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]

SAME = 1e-6  # spread of rewards below which sounds are equally good


class Weights(Config):
    """How much each dimension counts; the defaults are the released trainer's (spec rl.md section 3)."""

    semantic: Weight = 1.0
    temporal: Weight = 0.6
    aesthetic: Weight = 0.1
    spatial: Weight = 0.4

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if not any(getattr(self, name) for name in DIMENSIONS):
            raise ValueError("all weights are 0; let at least one dimension count")
        return self

    def vector(self) -> Tensor:
        """-> (D,)"""
        return torch.tensor([getattr(self, name) for name in DIMENSIONS])


EVEN = Weights(semantic=1.0, temporal=1.0, aesthetic=1.0, spatial=1.0)


class Verdict(NamedTuple):
    """What the panel says of the sounds of one film."""

    rewards: Tensor  # (B, D) float32 on the CPU; NaN where a judge has nothing to say
    raw: dict[str, Tensor]  # "temporal.desync" and so on: the judges' own figures, (B,) each
    reasons: dict[str, str]  # dimension -> why it was not scored, of some or all of the sounds

    def total(self, weights: Weights) -> Tensor:
        return total(self.rewards, weights)


def balanced(rewards: Tensor, weights: Weights) -> Tensor:
    """(B, D) of sounds of one film -> (B,): the weighted mean of rewards standardised over these sounds, so that each
    dimension decides by its weight however little it spreads (spec rewards.md 1, "zscore per reward").
    """
    centred = rewards - rewards.nanmean(dim=0)
    spread = centred.square().nanmean(dim=0).sqrt()
    return total(centred / spread.where(spread > SAME, torch.inf), weights)


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
    scaling: Scaling = "unit"  # by which the rewards are read

    @property
    def present(self) -> list[Reward]:
        """Of the dimensions that somebody judges."""
        return [member for member in self.members.values() if not isinstance(member, NotAvailable)]

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
        return {judge.name: dict(judge.versions) for member in self.present for judge in member.judges}

    @property
    def views(self) -> tuple[View, ...]:
        """All in which somebody wants to see the film, each once."""
        return tuple(dict.fromkeys(view for member in self.present for view in member.views))

    @torch.no_grad()
    def judge(self, sounds: Sounds, case: Case) -> Verdict:
        """Sounds of one film, made for one plan; they should be equally loud (`generation.judging.levelled`).

        A silent sound is not scored at all: no judge learned what nothing is worth.
        """
        rewards = torch.full((len(sounds.samples), len(DIMENSIONS)), torch.nan)
        raw: dict[str, Tensor] = {}
        reasons: dict[str, str] = {}
        silent = sounds.samples.float().square().mean(dim=(1, 2)).cpu() < INAUDIBLE
        for number, name in enumerate(DIMENSIONS):
            opinion = self._ask(name, sounds, case)
            if isinstance(opinion, NotAvailable):
                reasons[name] = opinion.reason
                continue
            rewards[:, number] = opinion.reward.float().cpu()
            raw |= {f"{name}.{figure}": values.float().cpu() for figure, values in opinion.raw.items()}
            if reason := self._unsaid(name, opinion.reward, silent):
                reasons[name] = reason
        rewards[silent] = torch.nan
        return Verdict(rewards, {name: x.masked_fill(silent, torch.nan) for name, x in raw.items()}, reasons)

    def _ask(self, name: str, sounds: Sounds, case: Case) -> Opinion | NotAvailable:
        member = self.members.get(name, NotAvailable(name, "nobody was asked"))
        if isinstance(member, NotAvailable):
            return member
        return available(name, lambda: member(sounds, case))

    def _unsaid(self, name: str, reward: Tensor, silent: Tensor) -> str:
        """Why an opinion holds no number for some of the sounds; '' if it holds one for all."""
        member = self.members[name]
        causes = [SILENT] if silent.any() else []
        if not isinstance(member, NotAvailable) and (reward.cpu().isnan() & ~silent).any():
            causes.append(member.nothing)
        return ", or ".join(causes)
