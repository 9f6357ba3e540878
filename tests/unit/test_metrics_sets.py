"""What figures of sets must obey whatever the features: nothing for equal sets, no order, no bias, honest refusals."""

import numpy as np
import pytest
from numpy.typing import NDArray

from prismaudio.evaluation.metrics.divergence import from_logits, from_probabilities, kl_divergence
from prismaudio.evaluation.metrics.frechet import (
    TooFewSounds,
    frechet_distance,
    frechet_infinity,
    stacked,
)
from prismaudio.evaluation.metrics.inception import inception_score
from prismaudio.evaluation.metrics.kid import kernel_distance
from prismaudio.evaluation.metrics.paired import holm, paired_means, paired_statistics


def normal(count: int, dims: int = 8, seed: int = 0, mean: float = 0.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(mean, 1, (count, dims))


def test_frechet_distance_of_a_set_and_itself_is_nothing() -> None:
    x = normal(200, 64) * np.linspace(0.01, 10, 64)
    assert abs(frechet_distance(x, x)) < 1e-5


def test_frechet_distance_is_the_closed_form_of_two_normals() -> None:
    """|m|^2 + sum (s1 - s2)^2 when the covariances are diagonal; exact for sets whitened to their moments."""
    x = normal(500, 4)
    white = (x - x.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    moved = white * [1, 2, 3, 4] + [0, 0, 0, 5]
    assert frechet_distance(white, moved) == pytest.approx(25 + 0 + 1 + 4 + 9, rel=1e-9)


def test_frechet_distance_does_not_depend_on_the_order_of_clips() -> None:
    x, y = normal(60), normal(50, seed=1, mean=0.3)
    assert frechet_distance(x[::-1], y) == pytest.approx(frechet_distance(x, y), rel=1e-12)


def test_frechet_distance_has_no_meaning_for_sets_not_larger_than_their_dimension() -> None:
    with pytest.raises(TooFewSounds, match="N = 8 sounds for D = 8"):
        frechet_distance(normal(8), normal(9, seed=1))
    frechet_distance(normal(9), normal(9, seed=1))


def test_extrapolation_takes_off_the_bias_of_a_small_set() -> None:
    """Both sets are drawn alike, so the true distance is 0."""
    y = normal(20_000, 16, seed=99)
    small = [normal(40, 16, seed=seed) for seed in range(20)]
    plain = np.mean([frechet_distance(x, y) for x in small])
    extrapolated = np.mean([frechet_infinity(x, y) for x in small])
    assert plain > 2
    assert abs(extrapolated) < 0.5 * plain


def test_kernel_distance_has_no_bias_and_grows_with_the_difference() -> None:
    alike = [kernel_distance(normal(30, seed=s), normal(30, seed=s + 100), subsets=5).mean for s in range(40)]
    assert abs(np.mean(alike)) < 3 * np.std(alike) / np.sqrt(40)
    near, far = (kernel_distance(normal(30), normal(30, seed=1, mean=m)).mean for m in (0.5, 1.0))
    assert 0 < near < far


def test_divergence_is_nothing_for_equal_posteriors_and_known_for_two_classes() -> None:
    p, q = np.array([[0.5, 0.5]]), np.array([[0.9, 0.1]])
    assert kl_divergence(from_probabilities(p), from_probabilities(p)) == pytest.approx(0)
    expected = 0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1)
    assert kl_divergence(from_probabilities(p), from_probabilities(q)) == pytest.approx(expected)


def test_every_sample_of_a_clip_counts_for_the_divergence() -> None:
    """The published program kept only the last of several."""
    true = from_logits(np.array([[3.0, 0.0]]))
    samples = from_logits(np.array([[0.0, 3.0], [3.0, 0.0]]))
    each = kl_divergence(np.repeat(true, 2, axis=0), samples)
    assert each[0] > 1
    assert each[1] == pytest.approx(0)


def test_inception_score_is_one_for_equal_sounds_and_the_classes_for_clear_varied_ones() -> None:
    assert inception_score(from_logits(np.zeros((40, 5)))).mean == pytest.approx(1)
    clear = from_logits(50 * np.eye(4)[np.arange(4000) % 4])
    assert inception_score(clear).mean == pytest.approx(4, rel=0.01)
    with pytest.raises(TooFewSounds, match="N = 19 sounds for 10 splits"):
        inception_score(clear[:19])


def test_patches_of_sounds_are_pooled_in_order() -> None:
    assert stacked([np.ones((2, 3)), np.zeros(3)]).tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]


def test_a_true_difference_is_found_and_chance_is_not() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (2, 200))
    clip = np.random.default_rng(1).normal(0, 10, 200)  # clips differ far more than systems
    better = paired_means(clip + noise[0], clip + noise[1] + 0.5)
    assert better.p < 0.01
    assert better.interval.low > 0
    assert better.clips == 200
    false_alarms = sum(
        paired_means(*np.random.default_rng(s).normal(0, 1, (2, 40)), rounds=500).p < 0.05 for s in range(100)
    )
    assert false_alarms <= 12


def test_clips_without_a_value_are_left_out_of_the_comparison_together() -> None:
    found = paired_means([1, 2, np.nan, 4], [2, np.nan, 9, 5])
    assert found.interval.value == 1
    assert found.clips == 2
    assert np.isnan(paired_means([1.0], [2.0]).p)


def test_figures_of_sets_are_compared_over_the_same_clips() -> None:
    x = normal(300, 2)
    first = lambda chosen: frechet_distance(x[chosen], x)  # noqa: E731
    second = lambda chosen: frechet_distance(x[chosen] + 0.3, x)  # noqa: E731
    worse = paired_statistics(first, second, 300, rounds=100)
    assert worse.interval.low > 0
    assert worse.p < 0.05
    same = paired_statistics(first, first, 300, rounds=20)
    assert same.interval == (0, 0, 0)
    assert same.p == 1


def test_holm_multiplies_the_smallest_most_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, float("nan")])[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert np.isnan(holm([0.01, float("nan")])[1])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
