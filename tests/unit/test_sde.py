"""Noisy steps keep the distribution of the flow, and their likelihoods are exact."""

import math

import pytest
import torch
from torch import Tensor

from prismaudio.errors import UnknownChoice
from prismaudio.flow.sde import (
    CPS,
    DDIM,
    ODE,
    DanceSDE,
    Dynamics,
    FlowSDE,
    choose_schedule,
    guard_log_ratio,
    linspace_schedule,
    log_prob,
    log_ratio,
    over_latent,
    transition,
)
from prismaudio.posttraining.regulariser import kl, kl_v, kl_x

SPREAD = 0.5  # of the data, a Gaussian
DYNAMICS = [FlowSDE(0.7), DanceSDE(0.3), CPS(0.8), DDIM(0.5)]


def variance(s: float) -> float:
    return (1 - s) ** 2 * SPREAD**2 + s**2


def final_variance(dynamics: Dynamics, steps: int) -> float:
    """For Gaussian data the exact velocity is x times a number, so variances follow from the coefficients alone."""
    schedule, now = linspace_schedule(steps), 1.0
    for s, s_next in zip(schedule[:-1], schedule[1:], strict=True):
        step = dynamics(s, s_next)
        velocity = (s - (1 - s) * SPREAD**2) / variance(s)
        now = (step.x + step.v * velocity) ** 2 * now + step.sd**2
    return now


@pytest.mark.parametrize(
    "make",
    [
        lambda steps: ODE(),
        lambda steps: FlowSDE(0.7),
        lambda steps: DanceSDE(0.3),
        lambda steps: DDIM(1.0),
        lambda steps: CPS(4 / math.sqrt(steps)),  # a level is per step: more steps, less of it
    ],
    ids=["ode", "flow", "dance", "ddim", "cps"],
)
def test_noisy_steps_keep_the_marginals_of_the_flow(make):
    """The error falls with the step: to first order, slower beside the pole of the flow-SDE."""
    coarse, fine = (abs(final_variance(make(steps), steps) - SPREAD**2) for steps in (1000, 4000))
    assert fine < 0.001
    assert fine < coarse / (1.5 if make(1) == FlowSDE(0.7) else 3)


@pytest.mark.parametrize("dynamics", DYNAMICS, ids=repr)
def test_the_total_noise_of_a_point_is_that_of_its_time(dynamics: Dynamics):
    """On the path, between data 0 and pure noise: a renoising step keeps it exactly, an SDE step to first order."""
    s, s_next = 0.5, 0.499
    step = dynamics(s, s_next)
    noise = math.hypot(step.x * s + step.v, step.sd)  # x = s eps, v = eps
    exact = isinstance(dynamics, (CPS, DDIM))
    assert noise == pytest.approx(s_next, abs=1e-12 if exact else 2e-6)
    assert step.sd > 0


@pytest.mark.parametrize("level", [0.3, 0.7])
@pytest.mark.parametrize("steps", [1, 10, 24])
def test_the_first_step_of_the_flow_sde_adds_its_level(level: float, steps: int):
    schedule = linspace_schedule(steps)
    assert FlowSDE(level)(*schedule[:2]).sd == pytest.approx(level)


def test_no_noise_is_the_ode_whatever_the_dynamics():
    for dynamics in (FlowSDE(0.0), DanceSDE(0.0), CPS(0.0), DDIM(0.0)):
        assert tuple(dynamics(0.6, 0.5)) == pytest.approx(tuple(ODE()(0.6, 0.5)), abs=1e-12)


def test_ddim_has_no_degenerate_ends():
    assert tuple(DDIM(1.0)(1.0, 0.9)) == pytest.approx((0.1, -0.1, 0.9))
    assert DDIM(1.0)(0.1, 0.0).sd == 0
    assert CPS(0.8)(0.1, 0.0).sd == 0


def tensors(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, v, z = torch.randn(3, 4, 6, 8, generator=generator, dtype=torch.float64).to(dtype)
    return x, v, z


@pytest.mark.parametrize("dynamics", DYNAMICS, ids=repr)
@pytest.mark.parametrize("change", [1e-4, 0.1])
def test_the_log_ratio_is_the_difference_of_log_densities(dynamics: Dynamics, change: float):
    x, v, z = tensors()
    step = dynamics(0.6, 0.55)
    v_new = v + change * torch.cos(x)
    point = transition(x, v, step, z)
    new, old = (log_prob(point, transition(x, velocity, step), step.sd) for velocity in (v_new, v))
    ours = log_ratio(v_new - v, z, torch.full((4,), step.v), torch.full((4,), step.sd))
    torch.testing.assert_close(ours, new - old, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_an_unchanged_policy_has_a_ratio_of_exactly_one(dtype: torch.dtype):
    x, v, z = tensors(dtype)
    step = FlowSDE()(0.6, 0.55)
    ratios = log_ratio(v - v, z, torch.full((4,), step.v), torch.full((4,), step.sd))
    assert torch.equal(ratios, torch.zeros_like(ratios))
    assert torch.equal(guard_log_ratio(v - v, z, torch.full((4,), step.v)), torch.zeros_like(ratios))


def test_log_density_is_that_of_a_normal():
    x, v, z = tensors()
    expected = torch.distributions.Normal(v, 0.3).log_prob(x).mean(dim=(1, 2))
    torch.testing.assert_close(log_prob(x, v, 0.3), expected)


def test_guard_is_the_ratio_without_its_bias_in_units_of_the_noise():
    x, v, z = tensors()
    step, dv = FlowSDE()(0.6, 0.55), 0.1 * torch.cos(x)
    slope, sd = torch.full((4,), step.v), torch.full((4,), step.sd)
    bias = over_latent((step.v * dv) ** 2) / (2 * step.sd**2)
    expected = step.sd * (log_ratio(dv, z, slope, sd) + bias)
    torch.testing.assert_close(guard_log_ratio(dv, z, slope), expected, rtol=1e-6, atol=1e-12)


def test_the_divergences_are_one_in_three_measures():
    """kl is minus the mean log-ratio of steps taken by the reference; the others are it, scaled."""
    x, v, _ = tensors()
    s, s_next = 0.6, 0.55
    step, dv = FlowSDE()(s, s_next), 0.05 * torch.cos(x)
    slope, sd, h = (torch.full((4,), number) for number in (step.v, step.sd, s - s_next))
    z = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mean = (log_ratio(dv, z, slope, sd) + log_ratio(dv, -z, slope, sd)) / 2  # of noise that is symmetric
    torch.testing.assert_close(-mean, kl(dv, slope, sd), rtol=1e-6, atol=0)
    b = FlowSDE().level * math.sqrt(s / (1 - s))
    means = transition(x, v + dv, step) - transition(x, v, step)
    torch.testing.assert_close(kl_x(dv, slope, sd, h), over_latent(means**2) / (2 * b**2), rtol=1e-6, atol=0)
    torch.testing.assert_close(kl(dv, slope, sd), kl_v(dv) * slope**2 / (2 * sd**2), rtol=1e-5, atol=0)


def test_schedules_are_chosen_by_name():
    assert choose_schedule("linspace")(2) == (1.0, 0.5, 0.0)
    assert choose_schedule("diffusers")(2) == pytest.approx((1.0, 0.001, 0.0))
    with pytest.raises(UnknownChoice, match="unknown schedule 'cosine'; choose one of: linspace, diffusers"):
        choose_schedule("cosine")
