"""The bootstrap: intervals that cover the truth as often as they say, the same on every run."""

from collections.abc import Sequence

import numpy as np

from prismaudio.evaluation.metrics.bootstrap import bootstrap


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def test_intervals_cover_the_true_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        interval = bootstrap(rng.normal(3, 1, 50).tolist(), mean, rounds=100, seed=trial)
        covered += interval.low <= 3 <= interval.high
    assert 88 <= covered <= 99


def test_more_scenes_make_narrower_intervals() -> None:
    values = np.random.default_rng(0).normal(0, 1, 400).tolist()
    few, many = bootstrap(values[:25], mean), bootstrap(values, mean)
    assert few.low < few.value < few.high
    assert 2.5 < (few.high - few.low) / (many.high - many.low) < 6


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).normal(0, 1, 30).tolist()
    assert bootstrap(values, mean, seed=1) == bootstrap(values, mean, seed=1)
    assert bootstrap(values, mean, seed=1) != bootstrap(values, mean, seed=2)


def test_undefined_rounds_do_not_count() -> None:
    assert np.isnan(bootstrap([], mean)).all()
    assert np.isnan(bootstrap([1.0, 2.0], lambda _: float("nan"))).all()
    found = bootstrap([1.0, 1.0, 1.0, 2.0], lambda values: max(values) if 2.0 in values else float("nan"))
    assert found == (2.0, 2.0, 2.0)
