"""Onsets: found where they were put, matched as well as can be, and nowhere else."""

import itertools
import random

import numpy as np
import pytest
import torch

from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.evaluation.metrics.onsets import DETECTOR, Matches, judged_onsets, onset_f1, score_onsets
from prismaudio.types import Audio

RATE = 44100
TIMES = [0.31, 0.8, 1.234, 2.1]


def struck(times: list[float], seconds: float = 3.0, noise: float = 0.0, rate: int = RATE) -> Audio:
    """Bursts of noise that ring for 50 ms, over a floor of noise."""
    rng = np.random.default_rng(0)
    samples = noise * rng.standard_normal((2, round(seconds * rate)))
    length = round(0.3 * rate)
    burst = 0.3 * np.exp(-np.arange(length) / (0.05 * rate)) * rng.standard_normal(length)
    for time in times:
        start = round(time * rate)
        samples[:, start : start + length] += burst[: samples.shape[1] - start]
    return Audio(torch.from_numpy(samples.astype(np.float32)), rate)


def plan_of(*spans: Span, seconds: float = 3.0) -> Plan:
    events = tuple(Event(id=span.event, sound="a thing sounding") for span in spans)
    return Plan(
        duration=seconds, semantic=SemanticThought(events=events), temporal=TemporalThought(spans=spans)
    )


@pytest.mark.parametrize("rate", [RATE, 48000])
@pytest.mark.parametrize("noise", [0.0, 0.003, 0.03])
def test_bursts_are_found_within_ten_milliseconds(noise: float, rate: int) -> None:
    found = DETECTOR(struck(TIMES, noise=noise, rate=rate))
    assert found == pytest.approx(TIMES, abs=0.01)


def test_a_soft_beginning_is_found_within_the_tolerance() -> None:
    rng = np.random.default_rng(0)
    gain = np.clip((np.arange(3 * RATE) / RATE - 1.0) / 0.05, 0, 1)  # fades in over 50 ms
    samples = (0.1 * gain + 0.0005) * rng.standard_normal((2, 3 * RATE))
    found = DETECTOR(Audio(torch.from_numpy(samples.astype(np.float32)), RATE))
    assert found == pytest.approx([1.0], abs=0.08)


def test_steady_noise_silence_and_a_click_of_sound_have_no_false_onsets() -> None:
    assert DETECTOR(struck([], noise=0.1)) == []
    assert DETECTOR(Audio(torch.zeros(2, RATE), RATE)) == []
    assert DETECTOR(Audio(0.1 * torch.ones(2, 50), RATE)) == []


def test_loudness_does_not_matter() -> None:
    audio = struck(TIMES, noise=0.003)
    quiet = Audio(audio.samples * 0.01, RATE)
    assert DETECTOR(quiet) == pytest.approx(DETECTOR(audio), abs=0.006)


def most_pairs(found: list[float], true: list[float], tolerance: float) -> int:
    """By trying every assignment."""
    short, long = sorted((found, true), key=len)
    return max(
        sum(abs(a - b) <= tolerance for a, b in zip(short, chosen, strict=True))
        for chosen in itertools.permutations(long, len(short))
    )


def test_matching_is_one_to_one_and_as_large_as_possible() -> None:
    assert onset_f1([1.0, 1.01], [1.0]).hits == 1
    assert onset_f1([1.0, 1.1], [1.05, 0.95]).hits == 2  # nearest first would leave one alone
    rng = random.Random(0)
    for _ in range(200):
        found, true = ([round(rng.uniform(0, 1), 2) for _ in range(rng.randint(0, 5))] for _ in range(2))
        assert onset_f1(found, true, tolerance=0.1).hits == most_pairs(found, true, 0.1)


def test_precision_recall_and_f1() -> None:
    matches = onset_f1([1.0, 2.0, 2.5, 3.0], [1.05, 2.0])
    assert matches == Matches(hits=2, found=4, true=2)
    assert (matches.precision, matches.recall) == (0.5, 1.0)
    assert matches.f1 == pytest.approx(2 / 3)
    assert onset_f1([], []).f1 == 1.0
    assert (onset_f1([1.0], []).f1, onset_f1([], [1.0]).f1) == (0.0, 0.0)


def test_pooling_counts_onsets_not_clips() -> None:
    assert Matches.pooled([Matches(1, 1, 1), Matches(0, 9, 9)]) == Matches(1, 10, 10)
    assert Matches.pooled([]).f1 == 1.0


def test_the_truth_is_hits_and_beginnings_after_the_first_moment() -> None:
    plan = plan_of(
        Span(event="a", onset=1.0, offset=2.0, hits=(1.0, 1.6)),
        Span(event="b", onset=0.0, offset=3.0),
        Span(event="c", onset=2.0, offset=3.0),
        Span(event="d", onset=2.03, offset=3.0),  # not told apart from c
    )
    assert judged_onsets(plan) == [1.0, 1.6, 2.0]


def test_a_late_sound_scores_nothing() -> None:
    plan = plan_of(Span(event="a", onset=TIMES[0], offset=2.5, hits=tuple(TIMES)))
    assert score_onsets(struck(TIMES), plan).f1 == 1.0
    assert score_onsets(struck([time + 0.12 for time in TIMES]), plan).f1 == 0.0
