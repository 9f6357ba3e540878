"""Losses against gradients worked out by hand, and what their figures say."""

import pytest
import torch
from torch import Tensor

from prismaudio.flow.sde import FlowSDE, log_ratio, over_latent
from prismaudio.posttraining.objective import awm, clamp, guard, matching_log_prob, nft, ppo_clip

STEP = FlowSDE()(0.6, 0.55)
SLOPE, SD = torch.full((4,), STEP.v).double(), torch.full((4,), STEP.sd).double()


def tensors() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    v_old, z, change = torch.randn(3, 4, 6, 8, generator=generator, dtype=torch.float64)
    return v_old, z, 0.01 * change


def test_the_gradient_of_the_clipped_ratio_is_that_of_the_log_density():
    """-A r d(log r)/dv where it is not clipped, with d(log r)/dv = slope / sd (z - slope dv / sd) / D; 0 where it is."""
    v_old, z, change = tensors()
    v = (v_old + change).requires_grad_()
    advantages = torch.tensor([1.0, -2.0, 3.0, -0.5]).double()
    ratio = log_ratio(v - v_old, z, SLOPE, SD)
    clip = ratio.detach().exp().sub(1).abs().median().item()
    ppo_clip(ratio, advantages, clip).per_sound.sum().backward()

    shift = STEP.v * change / STEP.sd
    r = over_latent(z * shift - shift**2 / 2).exp()
    stopped = ((advantages > 0) & (r > 1 + clip)) | ((advantages < 0) & (r < 1 - clip))
    weight = torch.where(stopped, 0.0, -advantages * r)[:, None, None]
    torch.testing.assert_close(v.grad, weight * (z - shift) * STEP.v / STEP.sd / (6 * 8))


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"), [(1.2, 1, False), (0.8, 1, True), (1.2, -1, True), (0.8, -1, False)]
)
def test_the_clip_stops_gains_and_never_losses(ratio: float, advantage: float, moves: bool):
    logs = torch.tensor([ratio]).log().requires_grad_()
    loss = ppo_clip(logs, torch.tensor([float(advantage)]), 0.1)
    loss.per_sound.sum().backward()
    assert bool(logs.grad != 0) == moves
    assert loss.stats["clip_share"].item() == (not moves)


def test_on_policy_the_loss_is_minus_the_advantage_and_its_gradient_points_along_the_noise():
    v_old, z, _ = tensors()
    v = v_old.clone().requires_grad_()
    advantages = torch.tensor([1.0, -2.0, 0.0, 0.5]).double()
    loss = ppo_clip(log_ratio(v - v_old, z, SLOPE, SD), advantages, 1e-4)
    torch.testing.assert_close(loss.per_sound, -advantages)
    assert loss.stats["ratio_deviation"] == loss.stats["clip_share"] == 0
    loss.per_sound.sum().backward()
    torch.testing.assert_close(v.grad, -advantages[:, None, None] * z * STEP.v / STEP.sd / 48)


def test_guard_weighs_a_step_by_its_length():
    logs, advantages = torch.tensor([0.0, 0.0]), torch.tensor([1.0, -1.0])
    loss = guard(logs, advantages, 0.1, torch.tensor([0.5, 0.1]))
    torch.testing.assert_close(loss.per_sound, torch.tensor([-2.0, 10.0]))


def matched() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    data, noise = torch.randn(2, 4, 6, 8, generator=generator, dtype=torch.float64)
    return data, noise, torch.tensor([0.2, 0.4, 0.6, 0.8]).double()


def test_nft_pulls_to_good_sounds_and_away_from_bad_ones():
    data, noise, t = matched()
    v_old = noise - data + 0.1
    v = v_old.clone().requires_grad_()
    advantages = torch.tensor([5.0, -5.0, 0.0, 0.0]).double()
    nft(v, v_old, data, noise, t, advantages, beta=1.0).per_sound.sum().backward()
    towards = (v.grad * (v_old - (noise - data))).flatten(1).sum(dim=1)  # descent goes against the gradient
    assert towards[0] > 0 > towards[1]
    torch.testing.assert_close(v.grad[2:], torch.zeros_like(v.grad[2:]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("weighting", ["uniform", "t", "t2", "huber", "ghuber"])
def test_awm_gives_good_sounds_more_of_the_flow_loss(weighting: str):
    data, noise, t = matched()
    v = (noise - data + 0.1).requires_grad_()
    new = matching_log_prob(v, data, noise, t, weighting)
    advantages = torch.tensor([1.0, -1.0, 0.0, 2.0]).double()
    loss = awm(new, new.detach(), advantages, 0.1)
    torch.testing.assert_close(loss.per_sound, -advantages)
    loss.per_sound.sum().backward()
    away = (v.grad * 0.1).flatten(1).sum(dim=1)  # more error, more loss?
    assert torch.equal(away.sign(), advantages.sign())


def test_advantages_are_clamped():
    assert clamp(torch.tensor([-9.0, 2.0, 7.0])).tolist() == [-5.0, 2.0, 5.0]
