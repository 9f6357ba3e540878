"""Steps with a likelihood: what turns the sampler of a flow into a policy that can be rewarded.

Every step is affine in where it stands and in the velocity there, x' = a x + b v + sd z with z standard normal,
so a kind of dynamics is nothing but three numbers per step (spec rl.md section 1). They are computed in float64.

Time s runs from noise (1) to data (0): x_s = (1 - s) data + s noise, v = noise - data, h = s - s'.
Shapes: N sounds, then any shape of one latent. Means over "a latent" are over all but the first axis.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from prismaudio.errors import UnknownChoice
from prismaudio.flow.path import per_latent

DIFFUSERS_END = 0.001  # the last time but one of the diffusers schedule


Number = TypeVar("Number", float, Tensor)


class Coefficients(NamedTuple, Generic[Number]):
    """One step: the next point is x * `x` + v * `v` + z * `sd`. Tensors, where every sound takes its own step."""

    x: Number
    v: Number
    sd: Number


class Dynamics(Protocol):
    """How a step from s to s' < s is taken. Times in [0, 1]."""

    def __call__(self, s: float, s_next: float) -> Coefficients[float]: ...


@dataclass(frozen=True)
class ODE:
    """No noise: along the tangent, as the sampler of a finished model does."""

    def __call__(self, s: float, s_next: float) -> Coefficients[float]:
        return Coefficients(1.0, s_next - s, 0.0)


@dataclass(frozen=True)
class FlowSDE:
    """Flow-GRPO and PrismAudio: noise of `level` * sqrt(s / (1 - s)) per root of time, strongest near noise.

    At s = 1, the pole, the denominator is that of the time after it, so that one step there adds `level`.
    """

    level: float = 0.7

    def __call__(self, s: float, s_next: float) -> Coefficients[float]:
        data_share = 1 - (s_next if s == 1 else s)
        return reverse_sde(s, s_next, self.level * math.sqrt(s / data_share))


@dataclass(frozen=True)
class DanceSDE:
    """DanceGRPO: the same noise per root of time everywhere; its pull grows as 1/s towards the data."""

    level: float = 0.3

    def __call__(self, s: float, s_next: float) -> Coefficients[float]:
        return reverse_sde(s, s_next, self.level)


@dataclass(frozen=True)
class CPS:
    """Coefficients-preserving sampling (arXiv 2509.05952): new noise takes the place of as much old noise.

    The total stays s', so a step is never too noisy, and the last step has no noise. The level is that of a step:
    marginals are kept where it falls with the root of the number of steps.
    """

    level: float = 0.8  # 0 keeps all the old noise, 1 replaces it all

    def __call__(self, s: float, s_next: float) -> Coefficients[float]:
        return renoise(s, s_next, s_next * math.sin(self.level * math.pi / 2))


@dataclass(frozen=True)
class DDIM:
    """DDIM (arXiv 2010.02502) with the stochasticity `eta`; 1 is the ancestral sampler."""

    eta: float = 1.0

    def __call__(self, s: float, s_next: float) -> Coefficients[float]:
        if s == 1:
            kept = 0.0  # no data is known at pure noise
        elif s_next == 0:
            return renoise(s, s_next, 0.0)
        else:
            kept = s_next * (1 - s) / (s * (1 - s_next))
        return renoise(s, s_next, self.eta * s_next * math.sqrt(1 - kept**2))


def reverse_sde(s: float, s_next: float, b: float) -> Coefficients[float]:
    """An Euler-Maruyama step of the SDE with the flow's marginals and the diffusion b.

    Its mean is x - h (v + b^2 / (2 s) (x + (1 - s) v)), its deviation b sqrt(h).
    """
    h, pull = s - s_next, b**2 / (2 * s)
    return Coefficients(1 - h * pull, -h * (1 + pull * (1 - s)), b * math.sqrt(h))


def renoise(s: float, s_next: float, sd: float) -> Coefficients[float]:
    """To the data estimate x - s v, then back to s' with old noise x + (1 - s) v and new noise of deviation sd."""
    old = math.sqrt(s_next**2 - sd**2)
    return Coefficients((1 - s_next) + old, -(1 - s_next) * s + old * (1 - s), sd)


def transition(
    x: Tensor, v: Tensor, step: Coefficients[float] | Coefficients[Tensor], z: Tensor | None = None
) -> Tensor:
    """The next point, or the mean of all possible ones where z, standard normal like x, is None."""
    mean = step.x * x + step.v * v
    return mean if z is None else mean + step.sd * z


def log_prob(point: Tensor, mean: Tensor, sd: Tensor | float) -> Tensor:
    """Log-density of a step's outcome, its mean over the latent: (N,). sd: float or like point, positive.

    Training uses `log_ratio` instead: in float32 a difference of two log-densities is some percent noise.
    """
    sd = torch.as_tensor(sd, dtype=mean.dtype, device=mean.device)
    return over_latent(-((point - mean) ** 2) / (2 * sd**2) - sd.log() - math.log(2 * math.pi) / 2)


def log_ratio(dv: Tensor, z: Tensor, slope: Tensor, sd: Tensor) -> Tensor:
    """log of new over old density of a step that was taken with noise z; its mean over the latent: (N,)

    dv: (N, ...), the new velocity minus the old; z: (N, ...); slope, the step's `v`, and sd: (N,).
    Exact, and exactly 0 where the velocity has not changed, whatever the number format (spec rl.md section 1).
    """
    shift = per_latent(slope, dv) * dv / per_latent(sd, dv)  # of the mean, in deviations
    return over_latent(z * shift - shift**2 / 2)


def guard_log_ratio(dv: Tensor, z: Tensor, slope: Tensor) -> Tensor:
    """GRPO-Guard (arXiv 2510.22319): without the ratio's negative bias, on one scale at every step: (N,)"""
    return over_latent(z * per_latent(slope, dv) * dv)


def linspace_schedule(steps: int) -> tuple[float, ...]:
    """Equal steps from 1 to 0, as the model is used: steps + 1 times."""
    return tuple(1 - i / steps for i in range(steps + 1))


def diffusers_schedule(steps: int) -> tuple[float, ...]:
    """As the released trainer had it: equal steps from 1 to 0.001, then one of 0.001: steps + 1 times."""
    return (*(1 - i * (1 - DIFFUSERS_END) / (steps - 1) for i in range(steps)), 0.0)


SCHEDULES: dict[str, Callable[[int], Sequence[float]]] = {
    "linspace": linspace_schedule,
    "diffusers": diffusers_schedule,
}


def choose_schedule(name: str) -> Callable[[int], Sequence[float]]:
    """One of `SCHEDULES`."""
    if name not in SCHEDULES:
        raise UnknownChoice("schedule", name, list(SCHEDULES))
    return SCHEDULES[name]


def over_latent(x: Tensor) -> Tensor:
    """x: (N, ...) -> (N,)"""
    return x.flatten(1).mean(dim=1)
