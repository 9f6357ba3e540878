"""Advantages: what counts within a group, and that a failed reward says nothing."""

import pytest
import torch
from torch import Tensor

from prismaudio.posttraining.advantage import (
    Advantage,
    BestOfGroup,
    NormaliseThenSum,
    Scale,
    SumThenNormalise,
    reward_statistics,
)

NAN = float("nan")
WAYS: list[Advantage] = [
    SumThenNormalise("group"),
    SumThenNormalise("global"),
    SumThenNormalise("global-centred"),
    SumThenNormalise("none"),
    NormaliseThenSum(),
    NormaliseThenSum(Scale(1e-8, unbiased=True), whiten=None),
    BestOfGroup(),
    BestOfGroup(against_worst=True),
]
GROUPS = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
WEIGHTS = torch.tensor([1.0, 0.6], dtype=torch.float64)


def rewards() -> Tensor:
    return torch.randn(8, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_prompts_may_lie_in_any_order(way: Advantage):
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    ours = way(rewards(), WEIGHTS, GROUPS)[order]
    torch.testing.assert_close(way(rewards()[order], WEIGHTS, GROUPS[order]), ours)


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_what_all_of_a_group_have_does_not_matter(way: Advantage):
    """Except to the released global spread, which an easy and a hard prompt widen."""
    shifted = rewards() + 10 * GROUPS[:, None]
    ours, moved = way(rewards(), WEIGHTS, GROUPS), way(shifted, WEIGHTS, GROUPS)
    if way == SumThenNormalise("global"):
        assert (moved.abs() < 0.3 * ours.abs()).all()
    else:
        torch.testing.assert_close(moved, ours)


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_a_sound_of_which_nothing_is_known_gets_nothing_and_moves_nobody(way: Advantage):
    some = rewards()
    some[2] = NAN
    ours = way(some, WEIGHTS, GROUPS)
    assert ours[2] == 0
    kept = GROUPS.new_tensor([0, 1, 3, 4, 5, 6, 7])
    torch.testing.assert_close(ours[kept], way(some[kept], WEIGHTS, GROUPS[kept]))


@pytest.mark.parametrize("way", WAYS[:6], ids=repr)
def test_a_failed_reward_is_neither_good_nor_bad(way: Advantage):
    """The sound is judged by its other reward, wherever the failed one would have been."""
    failed = torch.tensor([[0.0, NAN], [1.0, 5.0], [2.0, 9.0], [-1.0, 7.0], *[[0.0, 0.0]] * 4]).double()
    ours = way(failed, WEIGHTS, GROUPS)
    middling = failed.clone()
    middling[0, 1] = 7.0  # the mean of the others
    same = way(middling, WEIGHTS, GROUPS)
    assert ours.isfinite().all()
    assert ours[0].sign() == same[0].sign() == -1
    punished = failed.nan_to_num(0.0)
    assert ours[0] > way(punished, WEIGHTS, GROUPS)[0] + 0.2
    if isinstance(way, SumThenNormalise):
        torch.testing.assert_close(ours, same)


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_a_reward_that_failed_in_a_whole_group_leaves_the_others_at_work(way: Advantage):
    some = rewards()
    some[:4, 1] = NAN
    ours = way(some, WEIGHTS, GROUPS)
    assert ours.isfinite().all()
    assert ours[:4].argmax() == some[:4, 0].argmax()


@pytest.mark.parametrize("way", WAYS[:6], ids=repr)
def test_groups_without_spread_teach_nothing(way: Advantage):
    assert torch.equal(way(torch.ones(8, 2).double(), WEIGHTS, GROUPS), torch.zeros(8).double())
    assert (way(torch.full((8, 2), NAN).double(), WEIGHTS, GROUPS) == 0).all()


def test_each_reward_counts_by_its_weight_whatever_its_unit():
    """Per-reward normalisation; a sum is ruled by the reward with the larger spread."""
    milli = rewards() * torch.tensor([1.0, 1000.0]).double()
    way = NormaliseThenSum(Scale(0.0, unbiased=True), Scale(0.0, unbiased=True))
    torch.testing.assert_close(way(milli, WEIGHTS, GROUPS), way(rewards(), WEIGHTS, GROUPS))
    assert not torch.allclose(
        SumThenNormalise("group")(milli, WEIGHTS, GROUPS),
        SumThenNormalise("group")(rewards(), WEIGHTS, GROUPS),
    )


def test_mixgrpo_sums_the_scores_of_each_reward_and_nothing_more():
    """By hand: deviations with n - 1."""
    values = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 3.0]]).double()
    ours = NormaliseThenSum(Scale(1e-8, unbiased=True), None)(
        values, WEIGHTS, torch.zeros(3, dtype=torch.int64)
    )
    root = 3**0.5
    expected = torch.tensor([-1 - 0.6 / root, 1 - 0.6 / root, 0.6 * 2 / root]).double()
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)


def test_statistics_see_what_is_there():
    values = torch.tensor(
        [
            [0.0, 1.0, 5.0],
            [1.0, 0.0, 5.0],
            [2.0, -1.0, 5.0],
            [3.0, -2.0, NAN],
            [0.0, 4.0, 1.0],
            [2.0, 2.0, 2.0],
        ]
    ).double()
    groups = torch.tensor([0, 0, 0, 0, 1, 1])
    seen = reward_statistics(values, groups)
    assert seen.zero_spread.tolist() == [0.0, 0.0, 0.5]
    assert seen.failed.tolist() == pytest.approx([0, 0, 1 / 6])
    assert seen.spread[0].item() == pytest.approx((1.25**0.5 + 1) / 2)
    assert seen.mean[2].item() == pytest.approx(3.6)
    assert seen.correlation[0, 1].item() == pytest.approx(-1)
    assert seen.correlation[0, 0].item() == pytest.approx(1)
    assert seen.correlation[0, 2].item() == pytest.approx(1 / 2.375**0.5)  # over the five that have both
