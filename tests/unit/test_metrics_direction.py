"""Direction: a sound panned to a known place is heard there, by level and by arrival time."""

import numpy as np
import pytest
import torch

from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.evaluation.metrics.direction import correlation, directions, listen, weighted_median
from prismaudio.stage.mix import pan
from prismaudio.types import Audio

RATE = 44100


def panned(azimuth: float, seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    noise = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)
    return pan(noise, np.array([azimuth], dtype=np.float32))


def plan_of(*events: tuple[float, float, tuple[Key, ...]], seconds: float) -> Plan:
    """events: (onset, offset, keys)"""
    names = [f"s{number}" for number in range(len(events))]
    return Plan(
        duration=seconds,
        semantic=SemanticThought(events=tuple(Event(id=name, sound="noise") for name in names)),
        temporal=TemporalThought(
            spans=tuple(Span(event=n, onset=e[0], offset=e[1]) for n, e in zip(names, events, strict=True))
        ),
        spatial=SpatialThought(
            places=tuple(Place(event=n, keys=e[2]) for n, e in zip(names, events, strict=True))
        ),
    )


def audio_of(samples: np.ndarray) -> Audio:
    return Audio(torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)), RATE)


@pytest.mark.parametrize("azimuth", [-0.9, -0.3, 0.0, 0.5, 1.0])
def test_panned_noise_is_heard_where_it_is(azimuth: float) -> None:
    (found,) = directions(audio_of(panned(azimuth)), plan_of((0.0, 1.0, (Key(0.0, azimuth),)), seconds=1.0))
    assert found.true == pytest.approx(azimuth)
    assert found.level == pytest.approx(azimuth, abs=0.03)
    assert found.delay == pytest.approx(azimuth, abs=0.05)  # the stage rounds delays to a sample: 0.04
    assert found.combined == pytest.approx(azimuth, abs=0.04)


def test_each_ear_alone_tells_the_truth() -> None:
    """Level without delay, and delay without level: neither estimate leans on the other."""
    mono = panned(0.0)
    louder = audio_of(mono * np.array([[10 ** (-3 / 20)], [10 ** (3 / 20)]]))
    later = audio_of(np.stack([mono[0], np.roll(mono[1], 13)]))
    plan = plan_of((0.0, 1.0, (Key(0.0, 0.0),)), seconds=1.0)
    (by_level,), (by_delay,) = directions(louder, plan), directions(later, plan)
    assert (by_level.level, by_level.delay) == pytest.approx((0.5, 0.0), abs=0.02)
    assert (by_delay.level, by_delay.delay) == pytest.approx((0.0, -13 / RATE / 0.6e-3), abs=0.02)


def scene_of_three() -> tuple[np.ndarray, Plan]:
    places = (-0.7, 0.1, 0.6)
    samples = np.concatenate([panned(a, 0.5, seed) for seed, a in enumerate(places)], axis=1)
    events = [(i * 0.5, (i + 1) * 0.5, (Key(0.0, a),)) for i, a in enumerate(places)]
    return samples, plan_of(*events, seconds=1.5)


def correlations(samples: np.ndarray, plan: Plan) -> tuple[float, float]:
    events = directions(audio_of(samples), plan)
    true = [event.true for event in events]
    return correlation(true, [e.level for e in events]), correlation(true, [e.delay for e in events])


def test_exchanged_ears_turn_the_correlation_around() -> None:
    samples, plan = scene_of_three()
    assert min(correlations(samples, plan)) > 0.99
    assert max(correlations(samples[::-1], plan)) < -0.99


def test_mono_and_silence_have_no_direction() -> None:
    samples, plan = scene_of_three()
    assert correlations(np.tile(samples[:1], (2, 1)), plan) == (0.0, 0.0)
    assert correlations(np.zeros_like(samples), plan) == (0.0, 0.0)


def test_events_that_overlap_are_judged_only_while_alone() -> None:
    samples = panned(-0.8, 2.0) + np.pad(panned(0.8, 1.0, seed=1), ((0, 0), (RATE, 0)))
    left, right = (0.0, 2.0, (Key(0.0, -0.8),)), (1.0, 2.0, (Key(0.0, 0.8),))
    (only,) = directions(audio_of(samples), plan_of(left, right, seconds=2.0))
    assert only.combined == pytest.approx(-0.8, abs=0.05)


def test_a_moving_source_is_compared_with_where_it_was_while_heard() -> None:
    path = np.linspace(-1, 1, 2 * RATE, dtype=np.float32)
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    noise[RATE:] = 0
    plan = plan_of((0.0, 2.0, (Key(0.0, -1.0), Key(2.0, 1.0))), seconds=2.0)
    (found,) = directions(audio_of(pan(noise, path)), plan)
    assert found.true == pytest.approx(-0.5, abs=0.05)
    assert found.combined == pytest.approx(-0.5, abs=0.1)


def test_hits_are_heard_for_their_tail_only() -> None:
    """Between two hits at the left something unplanned sounds at the right: nobody listens there."""
    samples = np.concatenate([panned(-0.5, 0.3), panned(0.9, 0.7, seed=1), panned(-0.5, 0.3)], axis=1)
    plan = plan_of((0.0, 1.3, (Key(0.0, -0.5),)), seconds=1.3)
    span = Span(event="s0", onset=0.0, offset=1.3, hits=(0.0, 1.0))
    plan = plan.model_copy(update={"temporal": TemporalThought(spans=(span,))})
    (found,) = directions(audio_of(samples), plan)
    assert found.combined == pytest.approx(-0.5, abs=0.1)


def test_listening_measures_in_decibels_and_milliseconds() -> None:
    ears = listen(audio_of(panned(0.5)))
    everywhere = np.ones(len(ears.delay), dtype=bool)
    assert ears.level_db(everywhere) == pytest.approx(6.0, abs=0.2)
    assert ears.delay_ms(everywhere) == pytest.approx(0.3, abs=0.02)
    assert ears.level_db(everywhere) == -ears._replace(left=ears.right, right=ears.left).level_db(everywhere)


def test_weighted_median_and_correlation_of_degenerate_values() -> None:
    assert weighted_median(np.array([5.0, 1.0, 2.0]), np.array([1.0, 1.0, 8.0])) == 2.0
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.zeros(3)) == 2.0
    assert np.isnan(correlation([0.1, 0.2], [0.1, 0.2]))
    assert np.isnan(correlation([0.2, 0.2, 0.2], [0.1, 0.2, 0.3]))
    assert correlation([0.1, 0.2, 0.3], [0.5, 0.5, 0.5]) == 0.0
