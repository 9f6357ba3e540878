"""Integrating a velocity, with and without guidance."""

import math

import pytest
import torch
from torch import Tensor

from prismaudio.errors import UnknownChoice
from prismaudio.flow.sampler import (
    SAMPLERS,
    Velocity,
    adams,
    choose_sampler,
    euler,
    guided,
    midpoint,
    sample,
    time_grid,
    trajectory,
)

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


SPREAD = 0.3


def gaussian_flow(x: Tensor, t: Tensor) -> Tensor:
    """The exact velocity for data N(0, SPREAD^2): E[noise - data | x]."""
    return x * (t - (1 - t) * SPREAD**2) / variance(t)


def variance(t: Tensor) -> Tensor:
    return (1 - t) ** 2 * SPREAD**2 + t**2


def distance(name: str, steps: int) -> float:
    """From where the exact flow ends."""
    *_, end = SAMPLERS[name](gaussian_flow, NOISE.double(), time_grid(steps).double())
    return float((end - SPREAD * NOISE.double()).norm())


ORDERS = [("euler", 1), ("midpoint", 2), ("adams", 2)]


@pytest.mark.parametrize(("name", "order"), ORDERS)
@pytest.mark.parametrize("bend", [1.0, 1.3])
def test_the_error_shrinks_with_the_order_of_the_sampler(name: str, order: int, bend: float):
    """dx/dt = t x has the solution x(0) = x(1) exp(-1/2). Also where the steps are not equal."""
    start, exact = NOISE.double(), NOISE.double() * math.exp(-0.5)
    errors = []
    for steps in (40, 80):
        *_, end = SAMPLERS[name](lambda x, t: t * x, start, time_grid(steps).double() ** bend)
        errors.append((end - exact).norm())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.12)


@pytest.mark.parametrize(("name", "order"), ORDERS)
def test_gaussian_noise_becomes_the_gaussian_of_the_data(name: str, order: int):
    """The midpoint's error happens to be of third order here."""
    assert math.log2(distance(name, 160) / distance(name, 320)) > order - 0.1
    assert distance(name, 320) < 0.01 * NOISE.norm()


def test_looking_back_is_worth_an_order_at_the_cost_of_euler():
    assert distance("adams", 24) < distance("euler", 24) / 4


@pytest.mark.parametrize(("name", "evaluations"), [("euler", 5), ("midpoint", 10), ("adams", 5)])
def test_a_sampler_asks_as_often_as_it_says(name: str, evaluations: int):
    asked = []

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        asked.append(float(t))
        return x

    assert len(list(SAMPLERS[name](velocity, NOISE, time_grid(5)))) == 5
    assert len(asked) == evaluations


def test_adams_is_exact_where_the_velocity_is_linear_in_time():
    """After its first step, which is Euler's: the rest is the integral of t from 3/4 to 0."""
    first, *_, end = adams(lambda x, t: t.expand_as(x), NOISE, time_grid(4))
    torch.testing.assert_close(end - first, torch.full_like(NOISE, -(0.75**2) / 2))


def test_samplers_are_chosen_by_name():
    assert choose_sampler("adams") is adams
    with pytest.raises(UnknownChoice, match="unknown sampler 'heun'; choose one of: euler, midpoint, adams"):
        choose_sampler("heun")


def test_a_step_can_be_chosen_for_a_sample():
    flow = [sample(gaussian_flow, NOISE, time_grid(6), step) for step in (euler, midpoint)]
    assert torch.equal(flow[0], list(SAMPLERS["euler"](gaussian_flow, NOISE, time_grid(6)))[-1])
    assert torch.equal(flow[1], list(SAMPLERS["midpoint"](gaussian_flow, NOISE, time_grid(6)))[-1])


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
