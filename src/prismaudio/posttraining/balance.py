"""Reward weights that follow the run, so that no dimension is drowned by one that merely varies more.

Shapes: R rewards.
"""

from typing import Any, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from prismaudio.config import Config
from prismaudio.posttraining.advantage import RewardStatistics

LEAST_SPREAD = 1e-6


class BalanceConfig(Config):
    """How weights are balanced.

    "none": they are what they are. "spread": each is divided by the running spread of its reward within groups, so
    that a weight is a share of the advantage. "lagging": besides, a reward that has gained less than the others since
    the start, in units of its spread, counts more: exp(-gain / temperature).
    """

    by: Literal["none", "spread", "lagging"] = "none"
    memory: float = Field(0.9, ge=0, lt=1, description="share of the running figures kept in an iteration")
    temperature: PositiveFloat = Field(1.0, description="spreads of gain by which a weight falls to 1/e")


class Balance:
    """Running figures of the rewards of a run; a function of what was seen, so all processes agree."""

    def __init__(self, config: BalanceConfig, rewards: int) -> None:
        self.config = config
        self.spread = torch.full((rewards,), torch.nan, dtype=torch.float64)
        self.mean = self.spread.clone()
        self.first = self.spread.clone()  # mean when it was first seen

    def __call__(self, weights: Tensor, seen: RewardStatistics) -> Tensor:
        """weights: (R,) as set -> (R,) for the iteration of which `seen` tells; their sum stays what it was."""
        self._follow(seen)
        if self.config.by == "none":
            return weights
        telling = self.spread > LEAST_SPREAD  # not what never differs, nor what always failed
        balanced = torch.where(telling, weights / self.spread, 0)
        if self.config.by == "lagging":
            gain = torch.where(telling, (self.mean - self.first) / self.spread, 0)
            balanced = balanced * torch.exp(-gain / self.config.temperature)
        total = balanced.sum()
        return balanced * (weights.sum() / total) if total > 0 else weights

    def state_dict(self) -> dict[str, Any]:
        return {"spread": self.spread, "mean": self.mean, "first": self.first}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.spread, self.mean, self.first = (state[name].clone() for name in ("spread", "mean", "first"))

    def _follow(self, seen: RewardStatistics) -> None:
        self.first = torch.where(self.first.isnan(), seen.mean, self.first)
        self.spread = self._moved(self.spread, seen.spread)
        self.mean = self._moved(self.mean, seen.mean)

    def _moved(self, running: Tensor, now: Tensor) -> Tensor:
        """What failed altogether in an iteration says nothing of it."""
        moved = torch.lerp(now, running, self.config.memory)
        return torch.where(now.isnan(), running, torch.where(running.isnan(), now, moved))
