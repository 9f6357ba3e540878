"""What is minimised, as functions from tensors to a loss and what to watch of it.

Shapes: N sounds (or pairs of a sound and a step), then any shape of one latent. advantages: (N,), already clamped.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from prismaudio.flow.path import data_estimate, interpolate
from prismaudio.flow.path import velocity as path_velocity
from prismaudio.flow.sde import over_latent


class Loss(NamedTuple):
    """A loss per sound, to be averaged, and figures of the batch."""

    per_sound: Tensor  # (N,)
    stats: dict[str, Tensor]  # () each


def clamp(advantages: Tensor, limit: float = 5.0) -> Tensor:
    return advantages.clamp(-limit, limit)


def ppo_clip(log_ratio: Tensor, advantages: Tensor, clip: float) -> Loss:
    """The larger of -A r and -A clip(r, 1 - clip, 1 + clip): nothing is gained by going further. log_ratio: (N,)"""
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    beyond = (-advantages * ratio < -advantages * clipped) & (ratio != clipped)
    stats = {
        "ratio_mean": ratio.mean(),
        "ratio_deviation": (ratio - 1).square().mean().sqrt(),
        "clip_share": beyond.to(ratio).mean(),
    }
    return Loss(torch.maximum(-advantages * ratio, -advantages * clipped), _detached(stats))


def guard(log_ratio: Tensor, advantages: Tensor, clip: float, h: Tensor) -> Loss:
    """GRPO-Guard: `ppo_clip` of `sde.guard_log_ratio`, over the length h (N,) of the step."""
    loss = ppo_clip(log_ratio, advantages, clip)
    return loss._replace(per_sound=loss.per_sound / h)


def nft(
    v: Tensor, v_old: Tensor, data: Tensor, noise: Tensor, t: Tensor, advantages: Tensor, beta: float
) -> Loss:
    """DiffusionNFT (arXiv 2509.16117): good sounds pull the velocity, bad ones push what mirrors it about the old.

    v, v_old: (N, ...) at (1 - t) data + t noise, t: (N,). No step, no likelihood. (Spec rl.md section 7.)
    """
    x = interpolate(data, noise, t)
    good = clamp(advantages) / 10 + 0.5
    error_good = _relative_error(data_estimate(x, beta * v + (1 - beta) * v_old, t), data)
    error_bad = _relative_error(data_estimate(x, (1 + beta) * v_old - beta * v, t), data)
    loss = 5 * (good * error_good + (1 - good) * error_bad) / beta
    return Loss(loss, _detached({"error_good": error_good.mean(), "error_bad": error_bad.mean()}))


def _relative_error(estimate: Tensor, data: Tensor) -> Tensor:
    """(N,): the mean square over the mean absolute error, so that every time weighs about the same."""
    scale = over_latent((estimate - data).abs().double()).clamp(min=1e-5).detach().to(data)
    return over_latent((estimate - data).square()) / scale


Weighting = Callable[
    [Tensor, Tensor], Tensor
]  # (mean square error (N,), t (N,)) -> minus the log-probability

TINY = 1e-10
WEIGHTINGS: dict[str, Weighting] = {
    "uniform": lambda error, t: error,
    "t": lambda error, t: error * t,
    "t2": lambda error, t: error * t**2,
    "huber": lambda error, t: ((error + TINY).sqrt() - TINY**0.5) * t,
    "ghuber": lambda error, t: ((error + TINY) ** 0.25 - TINY**0.25) * t / 0.25,
}


def matching_log_prob(v: Tensor, data: Tensor, noise: Tensor, t: Tensor, weighting: str) -> Tensor:
    """AWM (arXiv 2509.25050): minus the error of flow matching stands for the log-density of the data: (N,)

    In float64: a ratio is a small difference of two. `weighting`: one of `WEIGHTINGS`.
    """
    error = over_latent((v.double() - path_velocity(data, noise).double()).square())
    return -WEIGHTINGS[weighting](error, t.double())


def awm(log_prob: Tensor, log_prob_old: Tensor, advantages: Tensor, clip: float) -> Loss:
    """Advantage-weighted matching: `ppo_clip` of the ratio of two `matching_log_prob`."""
    return ppo_clip((log_prob - log_prob_old).to(advantages), advantages, clip)


def _detached(stats: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in stats.items()}
