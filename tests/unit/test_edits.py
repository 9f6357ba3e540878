"""Edits of a plan that the ear must follow."""

import pytest
import torch

from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.evaluation.edits import SHIFT, has_onset, level_of_right, mirrored, with_moved_hit
from prismaudio.types import Audio

RATE = 44_100


def plan(*hits: float, duration: float = 5.0) -> Plan:
    return Plan(
        duration=duration,
        semantic=SemanticThought(events=(Event(id="s1", sound="a drum"),)),
        temporal=TemporalThought(
            spans=(
                Span(
                    event="s1", onset=hits[0], offset=hits[-1] + 0.4, hits=hits, strengths=(0.5,) * len(hits)
                ),
            )
        ),
        spatial=SpatialThought(places=(Place(event="s1", keys=(Key(0.0, -0.7), Key(4.0, 0.2))),)),
    )


def clicks(*seconds: float) -> Audio:
    samples = torch.zeros(2, 5 * RATE)
    for second in seconds:
        first = round(second * RATE)
        samples[:, first : first + 2000] = torch.randn(2000) * torch.linspace(0.5, 0, 2000)
    return Audio(samples, RATE)


def test_a_hit_moves_by_the_shift_and_the_others_stay():
    moved = with_moved_hit(plan(1.0, 2.5, 4.0))
    assert moved is not None
    assert abs(moved.after - moved.before) == pytest.approx(SHIFT)
    before, after = set(plan(1.0, 2.5, 4.0).onsets()), set(moved.plan.onsets())
    assert before - after == {moved.before}
    assert after - before == {moved.after}
    Plan.model_validate(moved.plan.model_dump())


def test_a_hit_that_would_meet_another_is_not_moved():
    assert with_moved_hit(plan(0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5)) is None


def test_a_mirror_exchanges_the_sides_and_nothing_else():
    there = mirrored(plan(1.0))
    assert [key.azimuth for key in there.spatial.places[0].keys] == [0.7, -0.2]
    assert mirrored(there) == plan(1.0)


def test_an_onset_is_found_where_it_is_and_not_half_a_second_beside_it():
    torch.manual_seed(0)
    sound = clicks(1.0, 3.0)
    assert has_onset(sound, 1.0)
    assert not has_onset(sound, 1.5)


def test_the_louder_ear_is_told_by_its_sign():
    torch.manual_seed(0)
    sound = clicks(1.0).samples
    right = Audio(sound * torch.tensor([[0.3], [1.0]]), RATE)
    assert level_of_right(right) == pytest.approx(10.5, abs=0.5)
