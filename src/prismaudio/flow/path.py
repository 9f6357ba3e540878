"""The straight path between data (t = 0) and noise (t = 1), and how a network learns its velocity.

Rectified flow (Liu et al. 2022, arXiv 2209.03003), PrismAudio's density of times (spec model.md section 9).

Shapes: B batch, then any shape of one latent.
"""

import torch
from torch import Tensor
from torch.special import ndtr, ndtri

TRUNCATION = 0.075  # the share of the logistic's lower tail that is cut off


def interpolate(data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """The point at time t: (1 - t) data + t noise. data, noise: (B, ...), t: (B,) -> (B, ...)"""
    t = per_latent(t, data)
    return (1 - t) * data + t * noise


def velocity(data: Tensor, noise: Tensor) -> Tensor:
    """What the network predicts, the same at every t: noise - data."""
    return noise - data


def data_estimate(x: Tensor, predicted: Tensor, t: Tensor) -> Tensor:
    """Where the straight line through x along the predicted velocity meets the data. t: (B,)"""
    return x - per_latent(t, x) * predicted


def flow_loss(predicted: Tensor, data: Tensor, noise: Tensor) -> Tensor:
    """Mean squared error of the velocity over everything: ()"""
    return (predicted - velocity(data, noise)).square().mean()


def draw_times(count: int, generator: torch.Generator) -> Tensor:
    """Times for training, on the generator's device: (count,)"""
    return truncated_logit_normal(torch.randn(count, generator=generator, device=generator.device))


def truncated_logit_normal(normal: Tensor) -> Tensor:
    """Standard normal numbers -> times in [0, 1]: a logit-normal whose lower tail is cut at `TRUNCATION`.

    The cut leaves 0.075 ... 1, which is stretched over 0 ... 1 and turned around: t = 0 is data.
    """
    lowest = ndtr(torch.logit(torch.full_like(normal, TRUNCATION)))
    kept = ndtri(lowest + (1 - lowest) * ndtr(normal))
    return 1 - (torch.sigmoid(kept) - TRUNCATION) / (1 - TRUNCATION)


def per_latent(t: Tensor, x: Tensor) -> Tensor:
    """t: (B,) -> (B, 1, 1 ...), to be multiplied with x: (B, ...)"""
    return t.reshape(-1, *[1] * (x.ndim - 1)).to(x)
