"""From noise to data by following a velocity; all deterministic, all pure.

Shapes: B batch, C latent channels, T latent frames.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from prismaudio.errors import UnknownChoice

Velocity = Callable[[Tensor, Tensor], Tensor]  # (x: (B, C, T), t: () shared by the batch) -> (B, C, T)
Step = Callable[[Velocity, Tensor, Tensor, Tensor], Tensor]  # (velocity, x, t, next t) -> the next x
Sampler = Callable[
    [Velocity, Tensor, Tensor], Iterator[Tensor]
]  # (velocity, noise, times) -> points after the noise


def time_grid(steps: int) -> Tensor:
    """Equal steps from noise (1) to data (0): (steps + 1,) float32, on the CPU where reading one is free."""
    return torch.linspace(1, 0, steps + 1)


def euler(velocity: Velocity, x: Tensor, t: Tensor, t_next: Tensor) -> Tensor:
    """One step along the tangent; the published sampler."""
    return x + (t_next - t) * velocity(x, t)


def midpoint(velocity: Velocity, x: Tensor, t: Tensor, t_next: Tensor) -> Tensor:
    """One step along the velocity half-way: two evaluations, an error of third order in the step."""
    middle = (t + t_next) / 2
    return x + (t_next - t) * velocity(euler(velocity, x, t, middle), middle)


def trajectory(velocity: Velocity, noise: Tensor, times: Tensor, step: Step = euler) -> Iterator[Tensor]:
    """Every point after the noise, as it is reached: len(times) - 1 tensors like `noise`."""
    x = noise
    for t, t_next in zip(times[:-1], times[1:], strict=True):
        x = step(velocity, x, t, t_next)
        yield x


def adams(velocity: Velocity, noise: Tensor, times: Tensor) -> Iterator[Tensor]:
    """Two-step Adams-Bashforth: second order at one evaluation a step, as each looks back at the last velocity.

    The first step, which has nothing to look back at, is Euler's; that costs no order.
    """
    x, before = noise, None
    for index, (t, t_next) in enumerate(zip(times[:-1], times[1:], strict=True)):
        now = velocity(x, t)
        slope = now if before is None else now + (t_next - t) / (2 * (t - times[index - 1])) * (now - before)
        x = x + (t_next - t) * slope
        before = now
        yield x


SAMPLERS: dict[str, Sampler] = {
    "euler": trajectory,
    "midpoint": partial(trajectory, step=midpoint),
    "adams": adams,
}


def choose_sampler(name: str) -> Sampler:
    """One of `SAMPLERS`."""
    if name not in SAMPLERS:
        raise UnknownChoice("sampler", name, list(SAMPLERS))
    return SAMPLERS[name]


def sample(velocity: Velocity, noise: Tensor, times: Tensor, step: Step = euler) -> Tensor:
    """The last point of the trajectory; the last of `times` is where the data lives."""
    x = noise
    for point in trajectory(velocity, noise, times, step):
        x = point
    return x


def guided(
    conditional: Velocity, unconditional: Velocity, scale: float, interval: tuple[float, float] = (0.0, 1.0)
) -> Velocity:
    """Classifier-free guidance (arXiv 2207.12598), only while t lies in `interval` (arXiv 2404.07724).

    Scale 1, and any time outside the interval, is the conditional velocity alone and costs one evaluation.
    """
    if scale == 1:
        return conditional
    low, high = interval

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        with_conditions = conditional(x, t)
        if not low <= float(t) <= high:
            return with_conditions
        bare = unconditional(x, t)
        return bare + scale * (with_conditions - bare)

    return velocity
