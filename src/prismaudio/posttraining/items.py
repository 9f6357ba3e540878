"""What an update looks at, one item per forward pass of one sound, and the objectives as values over such items.

Shapes: N sounds, M items, then one latent.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from prismaudio.flow.path import interpolate
from prismaudio.flow.sde import guard_log_ratio, log_ratio
from prismaudio.posttraining import objective, regulariser
from prismaudio.posttraining.objective import Loss
from prismaudio.posttraining.rollout import Trajectory


class StepItems(NamedTuple):
    """Noisy steps that were taken."""

    x: Tensor  # (M, ...)
    t: Tensor  # (M,)
    prompts: Tensor  # (M,) int64
    sounds: Tensor  # (M,) int64
    v_old: Tensor  # (M, ...) the velocity the step was taken with
    z: Tensor  # (M, ...)
    slope: Tensor  # (M,)
    sd: Tensor  # (M,)
    h: Tensor  # (M,)


class MatchItems(NamedTuple):
    """Finished sounds, noised anew."""

    x: Tensor  # (M, ...)
    t: Tensor  # (M,)
    prompts: Tensor  # (M,) int64
    sounds: Tensor  # (M,) int64
    v_old: Tensor  # (M, ...) of the old policy, to be filled in
    data: Tensor  # (M, ...)
    noise: Tensor  # (M, ...)


Items = TypeVar("Items", bound=StepItems | MatchItems)


@dataclass(frozen=True)
class PPO:
    """A clipped ratio of likelihoods (spec rl.md section 2)."""

    clip: float = 1e-4

    def loss(self, v: Tensor, items: StepItems, advantages: Tensor) -> Loss:
        ratio = log_ratio(v - items.v_old, items.z, items.slope, items.sd)
        return objective.ppo_clip(ratio, advantages, self.clip)


@dataclass(frozen=True)
class Guard:
    """GRPO-Guard: no bias of the ratio, one scale at every step."""

    clip: float = 2e-6

    def loss(self, v: Tensor, items: StepItems, advantages: Tensor) -> Loss:
        ratio = guard_log_ratio(v - items.v_old, items.z, items.slope)
        return objective.guard(ratio, advantages, self.clip, items.h)


@dataclass(frozen=True)
class NFT:
    """DiffusionNFT; `times` fresh times per sound."""

    beta: float = 1.0
    times: int = 2

    def loss(self, v: Tensor, items: MatchItems, advantages: Tensor) -> Loss:
        return objective.nft(v, items.v_old, items.data, items.noise, items.t, advantages, self.beta)


@dataclass(frozen=True)
class AWM:
    """Advantage-weighted matching; `times` fresh times per sound."""

    clip: float = 1e-4
    weighting: Literal["uniform", "t", "t2", "huber", "ghuber"] = "uniform"
    times: int = 2

    def loss(self, v: Tensor, items: MatchItems, advantages: Tensor) -> Loss:
        new, old = (
            objective.matching_log_prob(velocity, items.data, items.noise, items.t, self.weighting)
            for velocity in (v, items.v_old)
        )
        return objective.awm(new, old, advantages, self.clip)


StepObjective = PPO | Guard
MatchObjective = NFT | AWM
Objective = StepObjective | MatchObjective


def step_items(trajectory: Trajectory) -> StepItems:
    """All kept steps of all sounds: M = N W."""
    sounds, width = trajectory.t.shape
    return StepItems(
        x=trajectory.latents.flatten(0, 1),
        t=trajectory.t.flatten(),
        prompts=trajectory.prompts.repeat_interleave(width),
        sounds=torch.arange(sounds, device=trajectory.t.device).repeat_interleave(width),
        v_old=trajectory.v_old.flatten(0, 1),
        z=trajectory.z.flatten(0, 1),
        slope=trajectory.slope.flatten(),
        sd=trajectory.sd.flatten(),
        h=trajectory.h.flatten(),
    )


def match_items(final: Tensor, prompts: Tensor, t: Tensor, noise: Tensor) -> MatchItems:
    """Every sound at its times. final: (N, ...), prompts: (N,), t: (N, K), noise: (N, K, ...) -> M = N K"""
    sounds, times = t.shape
    data, noise, t = final.repeat_interleave(times, dim=0), noise.flatten(0, 1), t.flatten()
    x = interpolate(data, noise, t)
    return MatchItems(
        x=x,
        t=t,
        prompts=prompts.repeat_interleave(times),
        sounds=torch.arange(sounds, device=t.device).repeat_interleave(times),
        v_old=torch.zeros_like(x),
        data=data,
        noise=noise,
    )


def select(items: Items, chosen: Tensor) -> Items:
    """Some of them. chosen: (m,) int64"""
    return type(items)(*(field[chosen] for field in items))


def divergence(dv: Tensor, items: StepItems | MatchItems, measure: Literal["x", "v"]) -> Tensor:
    """How far a velocity is from another, dv: (M, ...) their difference -> (M,). Without a step, in v."""
    if measure == "x" and isinstance(items, StepItems):
        return regulariser.kl_x(dv, items.slope, items.sd, items.h)
    return regulariser.kl_v(dv)
