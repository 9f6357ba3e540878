"""The alarm is raised where a reward is gamed, and nowhere else."""

from collections.abc import Sequence

import pytest

from prismaudio.posttraining.alarm import AlarmConfig, Point, best, findings

RULE = AlarmConfig(gold_margin=0.03, fd_factor=1.5, patience=2)


def history(reward: Sequence[float], gold: Sequence[float], fd: Sequence[float] | None = None) -> list[Point]:
    distances = fd or [100.0] * len(gold)
    points = enumerate(zip(reward, gold, distances, strict=True))
    return [Point(10 * number, *values) for number, values in points]


def test_all_is_well_where_gold_rises_with_the_reward():
    assert findings(history([0.5, 0.6, 0.7, 0.8], [0.5, 0.55, 0.6, 0.6]), RULE) == ()


def test_a_reward_that_rises_while_gold_falls_is_gamed():
    seen = history([0.5, 0.6, 0.7, 0.8], [0.5, 0.6, 0.56, 0.55])
    assert findings(seen[:3], RULE) == ()  # once may be chance
    (why,) = findings(seen, RULE)
    assert "the reward rose from 0.600 to 0.800" in why
    assert "fell from 0.600 (iteration 10) to 0.550" in why


@pytest.mark.parametrize(
    ("reward", "gold"),
    [
        ([0.5, 0.6, 0.7, 0.8], [0.5, 0.6, 0.58, 0.58]),  # within the margin
        ([0.5, 0.6, 0.55, 0.5], [0.5, 0.6, 0.5, 0.4]),  # the reward falls as well: a bad run, but no game
        ([0.5, 0.6, 0.7, 0.8], [0.5, 0.6, 0.5, 0.6]),  # recovered
        ([0.5, 0.6, 0.7], [0.6, 0.5, 0.6]),
    ],
)
def test_no_alarm_without_a_game(reward: list[float], gold: list[float]):
    assert findings(history(reward, gold), RULE) == ()


def test_a_drop_right_after_the_start_counts():
    assert len(findings(history([0.5, 0.6, 0.7], [0.6, 0.5, 0.5]), RULE)) == 1


def test_sounds_that_leave_the_true_ones_are_told_whatever_the_rewards_do():
    rewards, gold = [0.5, 0.4, 0.3], [0.5, 0.6, 0.7]
    assert findings(history(rewards, gold, [100, 151, 149]), RULE) == ()
    (why,) = findings(history(rewards, gold, [100, 151, 152]), RULE)
    assert "distance 152.000, 100.000 at the start" in why


def test_patience_is_how_often_it_must_be_seen():
    seen = history([0.5, 0.6, 0.7, 0.8], [0.6, 0.5, 0.5, 0.5])
    raised = [
        [bool(findings(seen[:n], AlarmConfig(patience=patience))) for n in range(5)] for patience in (1, 2, 3)
    ]
    assert raised == [
        [False, False, True, True, True],
        [False, False, False, True, True],
        [False, False, False, False, True],
    ]


def test_the_best_has_the_highest_gold_of_those_near_true_sound():
    seen = history([0.5] * 4, [0.5, 0.7, 0.9, 0.7], [100, 120, 200, 90])
    assert best(seen, RULE) is seen[1]
    assert best(seen[:1], RULE) is seen[0]
