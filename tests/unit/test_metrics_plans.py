"""How near a plan is to the truth, on plans small enough to count by hand."""

import pytest

from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.evaluation.metrics.onsets import Matches
from prismaudio.evaluation.metrics.plans import matched_events, score_plan, valid

Sound = tuple[str, bool, tuple[float, ...], tuple[float, float], float]


def plan_of(*sounds: Sound, duration: float = 8.0) -> Plan:
    """label, on screen, hits, (onset, offset), azimuth"""
    numbered = [(f"s{number}", *sound) for number, sound in enumerate(sounds)]
    return Plan(
        duration=duration,
        semantic=SemanticThought(
            events=tuple(
                Event(id=name, sound=f"a {label}", label=label, on_screen=seen)
                for name, label, seen, *_ in numbered
            )
        ),
        temporal=TemporalThought(
            spans=tuple(
                Span(event=name, onset=span[0], offset=span[1], hits=hits)
                for name, _, _, hits, span, _ in numbered
            )
        ),
        spatial=SpatialThought(
            places=tuple(
                Place(event=name, keys=(Key(0.0, azimuth),)) for name, _, _, _, _, azimuth in numbered
            )
        ),
    )


DRUM: Sound = ("drum", True, (1.0, 2.0, 3.0), (1.0, 3.4), -0.5)
SAW: Sound = ("saw", True, (), (4.0, 8.0), 0.5)
UNSEEN: Sound = ("bell", False, (6.0,), (6.0, 6.4), 0.0)


def test_the_truth_scores_fully() -> None:
    scores = score_plan(plan_of(DRUM, SAW), plan_of(DRUM, SAW))
    assert scores.onsets == (4, 4, 4)
    assert scores.events == (2, 2, 2)
    assert scores.named == (True, True)
    assert scores.azimuth_errors == (0.0, 0.0)
    assert scores.valid


def test_onsets_count_within_eighty_milliseconds() -> None:
    shifted: Sound = ("drum", True, (1.07, 2.09, 3.0, 5.0), (1.0, 5.4), -0.5)
    assert score_plan(plan_of(shifted), plan_of(DRUM)).onsets == (2, 4, 3)


def test_what_is_off_screen_counts_only_where_it_is_asked_for() -> None:
    scores = score_plan(plan_of(DRUM), plan_of(DRUM, UNSEEN))
    assert scores.onsets == Matches(3, 3, 3)
    assert scores.all_onsets == Matches(3, 3, 4)
    assert scores.events == Matches(1, 1, 1)


def test_events_are_matched_by_their_moments_whatever_they_are_called() -> None:
    other: Sound = ("hammer", True, (5.0, 5.5), (5.0, 5.9), 0.5)
    planned = plan_of(("x", True, other[2], other[3], 0.0), ("y", True, DRUM[2], DRUM[3], 0.0))
    assert matched_events(planned, plan_of(DRUM, other)) == {"s0": "s1", "s1": "s0"}


def test_a_strike_and_a_continuous_sound_are_never_the_same() -> None:
    hum: Sound = ("drum", True, (), (1.0, 3.4), -0.5)
    assert matched_events(plan_of(hum), plan_of(DRUM)) == {}


@pytest.mark.parametrize(("end", "same"), [(5.5, True), (5.0, False)])
def test_continuous_sounds_are_the_same_from_three_tenths_of_their_time(end: float, same: bool) -> None:
    part: Sound = ("saw", True, (), (4.0, end), 0.5)  # 1.5 of 4 s, and 1 of 4 s
    assert bool(matched_events(plan_of(part), plan_of(SAW))) == same


def test_azimuth_is_compared_while_the_true_event_sounds() -> None:
    truth = plan_of(SAW)
    moving = Place(event="s0", keys=(Key(4.0, 0.5), Key(8.0, -0.5)))
    planned = truth.model_copy(update={"spatial": SpatialThought(places=(moving,))})
    (error,) = score_plan(planned, truth).azimuth_errors
    assert error == pytest.approx(0.5, abs=0.01)  # from 0 at the beginning to 1 at the end


def test_an_event_without_a_place_has_no_azimuth_error() -> None:
    planned = plan_of(SAW).model_copy(update={"spatial": SpatialThought()})
    assert score_plan(planned, plan_of(SAW)).azimuth_errors == ()


def test_the_right_name_counts_among_the_first_five_of_a_ranking() -> None:
    wrong: Sound = ("gong", *DRUM[1:])
    ranked = score_plan(plan_of(wrong), plan_of(DRUM), {"s0": ("gong", "a", "b", "c", "drum")})
    assert (ranked.named, ranked.among_five) == ((False,), (True,))
    sixth = score_plan(plan_of(wrong), plan_of(DRUM), {"s0": ("gong", "a", "b", "c", "d", "drum")})
    assert sixth.among_five == (False,)
    assert score_plan(plan_of(wrong), plan_of(DRUM)).among_five is None


def test_an_empty_plan_finds_nothing() -> None:
    scores = score_plan(Plan(duration=8.0), plan_of(DRUM))
    assert (scores.onsets, scores.events) == (Matches(0, 0, 3), Matches(0, 0, 1))


def test_a_sound_after_the_end_of_its_clip_is_no_valid_plan() -> None:
    assert valid(plan_of(DRUM))
    assert not valid(plan_of(DRUM, duration=2.5))
    assert not valid(plan_of(DRUM).model_copy(update={"temporal": TemporalThought()}))
