"""The sounds of an iteration: which prompts, from which noise, along which routes; each a function of its place.

Shapes: N sounds, then one latent.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from prismaudio.errors import PrismAudioError
from prismaudio.flow.sde import choose_schedule
from prismaudio.posttraining.algorithm import Algorithm
from prismaudio.posttraining.config import PostTrainingConfig
from prismaudio.posttraining.policy import Policy
from prismaudio.posttraining.randomness import Purpose, normal, stream
from prismaudio.posttraining.rollout import Trajectory, join, rollout
from prismaudio.posttraining.route import Route, route
from prismaudio.posttraining.window import Place


class TooFewPrompts(PrismAudioError):
    """Fewer prompts than an iteration needs."""


def choose_prompts(available: int, config: PostTrainingConfig, iteration: int) -> list[int]:
    """The prompts of an iteration: all take turns, in an order drawn anew for every round through them."""
    if available < config.prompts:
        raise TooFewPrompts(f"an iteration takes {config.prompts} prompts, got {available}; lower `prompts`")
    per_round = available // config.prompts
    turn, place = divmod(iteration, per_round)
    order = stream(config.seed, Purpose.ORDER, turn).permutation(available)
    return [int(prompt) for prompt in order[place * config.prompts : (place + 1) * config.prompts]]


@torch.no_grad()
def sample_groups(
    policy: Policy,
    algorithm: Algorithm,
    config: PostTrainingConfig,
    iteration: int,
    prompts: Sequence[int],
) -> Trajectory:
    """A group of sounds for every prompt, side by side; prompts in the result are the given numbers."""
    at_once = max(1, config.sampling_batch // config.group)
    return join(
        [
            _sample_some(policy, algorithm, config, iteration, prompts[first : first + at_once])
            for first in range(0, len(prompts), at_once)
        ]
    )


def _sample_some(
    policy: Policy,
    algorithm: Algorithm,
    config: PostTrainingConfig,
    iteration: int,
    prompts: Sequence[int],
) -> Trajectory:
    branch = algorithm.branch(config.group)
    starts = config.group // branch
    routes = [planned_route(algorithm, config, iteration, prompt) for prompt in prompts]
    device = next(policy.parameters()).device
    noise = [
        normal((starts, *policy.latent_shape), config.seed, Purpose.START, iteration, p) for p in prompts
    ]
    draws = 1 + max((leg.noise for leg in routes[0].legs if leg.noise is not None), default=-1)
    shape = (config.group, draws, *policy.latent_shape)
    z = [normal(shape, config.seed, Purpose.STEP_NOISE, iteration, prompt) for prompt in prompts]
    rows = torch.arange(len(prompts), device=device).repeat_interleave(starts)
    per_start = [way for way in routes for _ in range(starts)]
    with in_precision(config, device):  # once around all: weights are then cast once, not at every evaluation
        prepared = policy.prepare(policy.conditions(prompts))

        def velocity(x: Tensor, t: Tensor, rows: Tensor) -> Tensor:
            return policy.velocity(x, t, prepared, rows, config.guidance.sampling)

        made = rollout(
            velocity, torch.cat(noise).to(device), rows, torch.cat(z).to(device), per_start, branch
        )
    return made._replace(prompts=torch.tensor(prompts, device=device)[made.prompts])


def in_precision(config: PostTrainingConfig, device: torch.device) -> torch.autocast:
    """How the network computes, in sampling and in learning alike: ratios are of one policy with itself at first."""
    return torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16")


def planned_route(algorithm: Algorithm, config: PostTrainingConfig, iteration: int, prompt: int) -> Route:
    """The way of all sounds of a prompt in an iteration."""
    plan = algorithm.window.pick(config.steps, Place(config.seed, iteration, prompt))
    return route(choose_schedule(config.schedule)(config.steps), plan, algorithm.dynamics, algorithm.tail)


def fresh_times(
    config: PostTrainingConfig, iteration: int, prompts: Sequence[int], times: int, shape: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """For every sound of every prompt `times` times, one in each equal part of [0, 1], and noise: (N, times, ...)"""
    drawn = [
        stream(config.seed, Purpose.TIME, iteration, prompt).random((config.group, times))
        for prompt in prompts
    ]
    parts = torch.arange(times, dtype=torch.float64)
    t = torch.cat([(parts + torch.from_numpy(share)) / times for share in drawn]).float()
    noise = [
        normal((config.group, times, *shape), config.seed, Purpose.TARGET_NOISE, iteration, prompt)
        for prompt in prompts
    ]
    return t, torch.cat(noise)
