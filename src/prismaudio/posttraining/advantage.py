"""From several rewards of each sound to one number: how much better it was than others of the same prompt.

A reward that failed (nan) is not a bad reward: it says nothing, and neither raises nor lowers its sound.

Shapes: N sounds, R rewards, G groups (sounds of one prompt).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor


class RewardStatistics(NamedTuple):
    """What to watch: a reward without spread in its groups teaches nothing; one with too much drowns the others."""

    mean: Tensor  # (R,) over all sounds that have it
    spread: Tensor  # (R,) population deviation within a group, its mean over groups
    zero_spread: Tensor  # (R,) share of groups in which the reward does not differ
    failed: Tensor  # (R,) share of sounds without it
    correlation: Tensor  # (R, R) within groups, over sounds that have both; nan where one does not vary


class Advantage(Protocol):
    """A way to weigh sounds against each other."""

    def __call__(self, rewards: Tensor, weights: Tensor, groups: Tensor) -> Tensor:
        """rewards: (N, R) with nan for failures, weights: (R,), groups: (N,) int64 -> (N,); 0 says nothing.

        All sounds of an iteration together, whichever process made them.
        """
        ...


@dataclass(frozen=True)
class Scale:
    """What a deviation is divided by. Implementations differ in this alone, so it is a value."""

    epsilon: float = 1e-4
    unbiased: bool = False  # divide squares by n - 1
    floor: bool = False  # the deviation is at least epsilon, instead of epsilon more

    def __call__(self, variance: Tensor, count: Tensor) -> Tensor:
        """variance: of the population, count: of its members -> the divisor."""
        if self.unbiased:
            variance = variance * count / (count - 1).clamp(min=1)
        deviation = variance.sqrt()
        return deviation.clamp(min=self.epsilon) if self.floor else deviation + self.epsilon


@dataclass(frozen=True)
class SumThenNormalise:
    """Weigh and add the rewards, centre in the group, divide by a spread.

    "global" is the released spread, of the sums over all sounds: differences between prompts count as spread and
    shrink every advantage. "global-centred" leaves them out. "none" divides by nothing (Dr.GRPO).
    """

    spread: Literal["group", "global", "global-centred", "none"] = "global-centred"
    scale: Scale = Scale()

    def __call__(self, rewards: Tensor, weights: Tensor, groups: Tensor) -> Tensor:
        known = ~rewards.isnan()
        total = (_neutral(rewards, groups) * weights.to(rewards)).sum(dim=1, keepdim=True)
        heard = known.any(dim=1, keepdim=True)
        centred = torch.where(heard, total - _over(total, heard, groups).mean, 0)
        if self.spread == "none":
            return centred[:, 0]
        if self.spread == "group":
            group = _over(total, heard, groups)
            return (centred / self.scale(group.variance, group.members))[:, 0]
        everyone = torch.zeros_like(groups)
        spread = _over(total if self.spread == "global" else centred, heard, everyone)
        return (centred / self.scale(spread.variance, spread.members))[:, 0]


@dataclass(frozen=True)
class NormaliseThenSum:
    """Bring every reward to one spread in every group, weigh and add (GDPO, arXiv 2601.05242).

    Defaults are those of NVlabs and TRL. MixGRPO: `scale=Scale(1e-8, unbiased=True), whiten=None`.
    Flow-Factory: `Scale(1e-6, floor=True)` for both.
    """

    scale: Scale = Scale(1e-4, unbiased=True)
    whiten: Scale | None = Scale(1e-4, unbiased=True)  # of the sums, over all sounds

    def __call__(self, rewards: Tensor, weights: Tensor, groups: Tensor) -> Tensor:
        known = ~rewards.isnan()
        group = _over(rewards.nan_to_num(), known, groups)
        scores = (rewards.nan_to_num() - group.mean) / self.scale(group.variance, group.members)
        total = (torch.where(known, scores, 0) * weights.to(rewards)).sum(dim=1, keepdim=True)
        if self.whiten is None:
            return total[:, 0]
        heard = known.any(dim=1, keepdim=True)
        batch = _over(total, heard, torch.zeros_like(groups))
        return torch.where(heard, (total - batch.mean) / self.whiten(batch.variance, batch.members), 0)[:, 0]


@dataclass(frozen=True)
class BestOfGroup:
    """1 for the first best sound of a group; with `against_worst`, -1 for the first worst; 0 for the others."""

    against_worst: bool = False

    def __call__(self, rewards: Tensor, weights: Tensor, groups: Tensor) -> Tensor:
        total = (_neutral(rewards, groups) * weights.to(rewards)).sum(dim=1)
        heard = (~rewards.isnan()).any(dim=1)
        advantages = torch.zeros_like(total)
        for group in torch.unique(groups):
            members = torch.nonzero((groups == group) & heard)[:, 0]
            if len(members) == 0:
                continue
            if self.against_worst:
                advantages[members[total[members].argmin()]] = -1
            advantages[members[total[members].argmax()]] = 1
        return advantages


def reward_statistics(rewards: Tensor, groups: Tensor) -> RewardStatistics:
    """rewards: (N, R), groups: (N,)"""
    known = ~rewards.isnan()
    group = _over(rewards.nan_to_num(), known, groups)
    centred = torch.where(known, rewards.nan_to_num() - group.mean, 0)
    first = _first_of_groups(groups)
    deviation, counted = group.variance[first].sqrt(), group.members[first] > 0
    groups_with = counted.sum(dim=0)
    flat = counted & (deviation <= 1e-6 * (1 + group.mean[first].abs()))
    return RewardStatistics(
        mean=rewards.nanmean(dim=0),
        spread=deviation.sum(dim=0) / groups_with,
        zero_spread=flat.sum(dim=0) / groups_with,
        failed=(~known).double().mean(dim=0).to(rewards),
        correlation=_correlation(centred, known),
    )


class _Moments(NamedTuple):
    """Of the group of each sound: (N, R) each; 0 for a group of which nothing is known."""

    mean: Tensor
    variance: Tensor
    members: Tensor


def _over(values: Tensor, known: Tensor, groups: Tensor) -> _Moments:
    """values, known: (N, R), groups: (N,) -> moments of the known values of the same group."""
    same = (groups[:, None] == groups[None]).to(values)  # (N, N)
    count = same @ known.to(values)
    mean = same @ torch.where(known, values, 0) / count.clamp(min=1)
    squares = torch.where(known, values - mean, 0).square()
    return _Moments(mean, same @ squares / count.clamp(min=1), count)


def _neutral(rewards: Tensor, groups: Tensor) -> Tensor:
    """(N, R) with every failure replaced by what the others of its group have, or all others: it says nothing."""
    known = ~rewards.isnan()
    group = _over(rewards.nan_to_num(), known, groups)
    everyone = _over(rewards.nan_to_num(), known, torch.zeros_like(groups))
    return torch.where(known, rewards, torch.where(group.members > 0, group.mean, everyone.mean))


def _correlation(centred: Tensor, known: Tensor) -> Tensor:
    """centred: (N, R), 0 where not known -> (R, R)"""
    both = known.to(centred)
    covariance = centred.mT @ centred
    power = centred.square().mT @ both  # of the row's reward, where the column's is known too
    size = (power * power.mT).sqrt()
    return torch.where(size > 0, covariance / size, torch.nan)


def _first_of_groups(groups: Tensor) -> Tensor:
    """The first sound of each group: (G,)"""
    numbers: Sequence[int] = groups.tolist()
    return torch.tensor([numbers.index(group) for group in dict.fromkeys(numbers)], device=groups.device)
