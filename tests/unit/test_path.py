"""The straight path and its training times."""

import torch

from prismaudio.flow.path import (
    data_estimate,
    draw_times,
    flow_loss,
    interpolate,
    truncated_logit_normal,
    velocity,
)

DATA, NOISE = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)), torch.ones(3, 4, 5)


def test_the_path_starts_at_data_and_ends_at_noise():
    torch.testing.assert_close(interpolate(DATA, NOISE, torch.zeros(3)), DATA)
    torch.testing.assert_close(interpolate(DATA, NOISE, torch.ones(3)), NOISE)


def test_every_clip_stands_at_its_own_time():
    t = torch.tensor([0.0, 0.5, 1.0])
    expected = torch.stack([DATA[0], (DATA[1] + NOISE[1]) / 2, NOISE[2]])
    torch.testing.assert_close(interpolate(DATA, NOISE, t), expected)


def test_the_velocity_is_the_slope_of_the_path():
    t, step = torch.full((3,), 0.4), 0.1
    slope = (interpolate(DATA, NOISE, t + step) - interpolate(DATA, NOISE, t)) / step
    torch.testing.assert_close(slope, velocity(DATA, NOISE))


def test_a_perfect_prediction_costs_nothing_and_finds_the_data():
    t = torch.tensor([0.1, 0.5, 1.0])
    predicted = velocity(DATA, NOISE)
    assert flow_loss(predicted, DATA, NOISE) == 0
    torch.testing.assert_close(data_estimate(interpolate(DATA, NOISE, t), predicted, t), DATA)


def test_the_loss_is_the_mean_square_over_everything():
    assert flow_loss(velocity(DATA, NOISE) + 3, DATA, NOISE).item() == torch.tensor(9.0)


def test_times_fall_with_the_normal_and_stay_inside_the_path():
    t = truncated_logit_normal(torch.linspace(-8, 8, 1000))
    assert t.min() >= 0
    assert t.max() <= 1
    assert t[0] > 0.999
    assert (t.diff() <= 0).all()


def test_times_are_drawn_with_the_generator_alone():
    first, second = (draw_times(1000, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert 0.5 < first.median() < 0.6  # sigmoid(0) = 0.5 minus the cut, stretched and turned around
