"""Balanced weights: a share of the advantage each, more for what lags; nothing of it where none is asked for."""

import pytest
import torch

from prismaudio.posttraining.advantage import RewardStatistics
from prismaudio.posttraining.balance import Balance, BalanceConfig

WEIGHTS = torch.tensor([1.0, 1.0, 0.5], dtype=torch.float64)
NAN = float("nan")


def seen(mean: list[float], spread: list[float]) -> RewardStatistics:
    nothing = torch.zeros(len(mean), dtype=torch.float64)
    return RewardStatistics(
        torch.tensor(mean, dtype=torch.float64),
        torch.tensor(spread, dtype=torch.float64),
        nothing,
        nothing,
        torch.eye(len(mean)),
    )


def test_without_balance_weights_are_what_they_are():
    assert torch.equal(Balance(BalanceConfig(), 3)(WEIGHTS, seen([1, 2, 3], [0.1, 0.2, 0.3])), WEIGHTS)


def test_by_spread_a_weight_is_a_share_of_the_advantage():
    balance = Balance(BalanceConfig(by="spread"), 3)
    spread = torch.tensor([0.1, 0.01, 0.4], dtype=torch.float64)
    balanced = balance(WEIGHTS, seen([1, 1, 1], spread.tolist()))
    share = balanced * spread
    torch.testing.assert_close(share / share[0], WEIGHTS)
    assert balanced.sum() == pytest.approx(2.5)


def test_spreads_are_running_means():
    balance = Balance(BalanceConfig(by="spread", memory=0.75), 3)
    balance(WEIGHTS, seen([1, 1, 1], [0.1, 0.1, 0.1]))
    balance(WEIGHTS, seen([1, 1, 1], [0.5, 0.1, 0.1]))
    torch.testing.assert_close(balance.spread, torch.tensor([0.2, 0.1, 0.1], dtype=torch.float64))


def test_a_reward_that_failed_keeps_what_was_known_of_it():
    balance = Balance(BalanceConfig(by="spread"), 3)
    assert balance(WEIGHTS, seen([1, NAN, 1], [0.1, NAN, 0.1])).tolist() == pytest.approx(
        [2.5 / 1.5, 0, 1.25 / 1.5]
    )
    balance(WEIGHTS, seen([1, 1, 1], [0.1, 0.2, 0.1]))
    balance(WEIGHTS, seen([1, NAN, 1], [0.1, NAN, 0.1]))
    assert balance.spread[1] == pytest.approx(0.2)


@pytest.mark.parametrize("by", ["spread", "lagging"])
def test_a_reward_that_never_varies_takes_no_weight_from_the_others(by: str):
    balance = Balance(BalanceConfig(by=by), 3)
    assert balance(WEIGHTS, seen([1, 1, 1], [0.1, 0.0, 0.1])).tolist() == pytest.approx(
        [2.5 / 1.5, 0, 1.25 / 1.5]
    )
    nothing = Balance(BalanceConfig(by=by), 3)
    assert torch.equal(nothing(WEIGHTS, seen([1, 1, 1], [0.0, 0.0, 0.0])), WEIGHTS)


def test_what_lags_counts_more():
    """Gains of two spreads, of none and of one: each spread less is e times the weight."""
    balance = Balance(BalanceConfig(by="lagging", memory=0.0), 3)
    spread = [0.1, 0.1, 0.1]
    even = torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(balance(even, seen([1, 1, 1], spread)), even)
    balanced = balance(even, seen([1.2, 1.0, 1.1], spread))
    torch.testing.assert_close((balanced[1] / balanced[0]).log(), torch.tensor(2.0, dtype=torch.float64))
    torch.testing.assert_close((balanced[1] / balanced[2]).log(), torch.tensor(1.0, dtype=torch.float64))
    assert balanced.sum() == pytest.approx(3)


def test_it_goes_on_where_it_stopped():
    whole, rest = (Balance(BalanceConfig(by="lagging"), 3) for _ in range(2))
    whole(WEIGHTS, seen([1, 2, 3], [0.1, 0.2, 0.3]))
    rest.load_state_dict(whole.state_dict())
    later = seen([2, 2, 3], [0.3, 0.2, 0.1])
    assert torch.equal(whole(WEIGHTS, later), rest(WEIGHTS, later))
