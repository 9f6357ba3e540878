"""Integrating a velocity, with and without guidance."""

import math

import pytest
import torch
from torch import Tensor

from prismaudio.flow.sampler import Velocity, euler, guided, midpoint, sample, time_grid, trajectory

NOISE = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))


def constant(value: float) -> Velocity:
    return lambda x, t: torch.full_like(x, value)


def unreachable(x: Tensor, t: Tensor) -> Tensor:
    raise AssertionError("this velocity need not be known")


def test_times_run_from_noise_to_data():
    torch.testing.assert_close(time_grid(4), torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0]))


def test_a_straight_flow_is_integrated_exactly_in_one_step():
    data = torch.zeros_like(NOISE)
    torch.testing.assert_close(sample(lambda x, t: NOISE - data, NOISE, time_grid(1)), data)


def test_the_velocity_hears_of_each_time_once():
    seen = []

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        seen.append(t)
        return x

    sample(velocity, NOISE, time_grid(4))
    torch.testing.assert_close(torch.stack(seen), torch.tensor([1.0, 0.75, 0.5, 0.25]))


@pytest.mark.parametrize(("step", "order"), [(euler, 1), (midpoint, 2)])
def test_the_error_shrinks_with_the_order_of_the_step(step, order: int):
    """dx/dt = t x has the solution x(0) = x(1) exp(-1/2)."""
    start, exact = NOISE.double(), NOISE.double() * math.exp(-0.5)
    errors = [
        (sample(lambda x, t: t * x, start, time_grid(steps), step) - exact).norm() for steps in (20, 40)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)


def test_the_trajectory_ends_where_the_sample_is():
    points = list(trajectory(lambda x, t: x, NOISE, time_grid(3)))
    assert len(points) == 3
    assert torch.equal(points[-1], sample(lambda x, t: x, NOISE, time_grid(3)))


def test_guidance_goes_beyond_the_condition():
    flow = guided(constant(2.0), constant(1.0), scale=5)
    assert torch.equal(flow(NOISE, torch.tensor(0.5)), torch.full_like(NOISE, 6.0))


def test_guidance_of_one_asks_for_nothing_else():
    assert torch.equal(guided(constant(2.0), unreachable, scale=1)(NOISE, torch.tensor(0.5)), NOISE * 0 + 2)


@pytest.mark.parametrize(("t", "expected"), [(0.1, 2.0), (0.2, 6.0), (0.5, 6.0), (0.8, 6.0), (0.9, 2.0)])
def test_guidance_keeps_to_its_interval(t: float, expected: float):
    flow = guided(constant(2.0), constant(1.0), scale=5, interval=(0.2, 0.8))
    assert flow(NOISE, torch.tensor(t, dtype=torch.float64)).unique().item() == expected
