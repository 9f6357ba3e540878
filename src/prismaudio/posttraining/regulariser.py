"""What keeps a policy near where it started, so that it does not leave the sounds its rewards understand.

The same functions hold it near any other velocity too: near its own slow average, for example.

Shapes: N sounds, then any shape of one latent. dv: (N, ...), the velocity minus the reference's.
"""

from torch import Tensor

from prismaudio.flow.path import per_latent
from prismaudio.flow.sde import over_latent


def kl(dv: Tensor, slope: Tensor, sd: Tensor) -> Tensor:
    """The divergence of one noisy step, per element of the latent: (N,). slope, sd: (N,), sd positive."""
    return over_latent((per_latent(slope, dv) * dv).square()) / (2 * sd**2)


def kl_x(dv: Tensor, slope: Tensor, sd: Tensor, h: Tensor) -> Tensor:
    """As Flow-GRPO and PrismAudio weigh it: h times `kl`, for their deviation leaves out sqrt(h): (N,)"""
    return h * kl(dv, slope, sd)


def kl_v(dv: Tensor) -> Tensor:
    """The mean square in velocities, the same at every step and without noise too: (N,)"""
    return over_latent(dv.square())
