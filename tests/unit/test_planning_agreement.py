"""Where a model and the picture speak of one event, the picture's numbers hold; elsewhere nothing changes."""

import pytest
from planned_clips import HITS, SECONDS, answer, measured

from prismaudio.dimensions.lint import lint
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.planning.agreement import agreed, matched, reworded
from prismaudio.planning.evidence import Evidence
from prismaudio.planning.wire import read


def plan_of(*spans: tuple[str, tuple[float, ...]], on_screen: bool = True) -> Plan:
    """(sound, moments): hits, or onset and offset if there are two."""
    events, timed = [], []
    for number, (sound, moments) in enumerate(spans, start=1):
        events.append(Event(id=f"e{number}", sound=sound, on_screen=on_screen))
        hits = moments if len(moments) != 2 else ()
        end = moments[1] if len(moments) == 2 else min(moments[-1] + 0.4, SECONDS)
        timed.append(Span(event=f"e{number}", onset=moments[0], offset=end, hits=hits))
    return Plan(
        duration=SECONDS,
        semantic=SemanticThought(events=tuple(events)),
        temporal=TemporalThought(spans=tuple(timed)),
    )


def test_measured_moments_and_places_replace_those_of_the_model() -> None:
    own = read(answer(), SECONDS)
    plan, sounds = agreed(own, measured())
    assert sounds == ["a woodpecker drumming", "a tractor driving"]
    assert plan.semantic == own.semantic
    spans = {span.event: span for span in plan.temporal.spans}
    assert spans["s1"].hits == HITS
    assert (spans["s2"].onset, spans["s2"].offset) == (0.5, 7.5)
    places = {place.event: place for place in plan.spatial.places}
    assert [key.azimuth for key in places["s1"].keys] == [-0.6, -0.62]
    assert (places["s1"].distance, places["s2"].distance) == (0.2, 0.7)  # which the picture does not tell
    assert not [finding for finding in lint(plan) if finding.severity == "error"]


@pytest.mark.parametrize(
    ("moments", "same"),
    [
        ((1.04, 2.52, 4.0), True),
        ((1.5, 3.0, 4.5), True),  # half a second late
        ((2.9, 3.2, 5.8), False),
        ((6.0,), False),
        ((1.0, 4.2), False),  # goes on instead of striking
    ],
)
def test_hits_that_are_near_are_the_same_event(moments: tuple[float, ...], same: bool) -> None:
    assert bool(matched(plan_of(("a woodpecker", moments)), measured().tracks()[:1])) is same


def test_a_common_name_makes_up_for_moments_that_are_half_right() -> None:
    half = (1.0, 6.0, 7.0)
    assert not matched(plan_of(("a woodpecker", half)), measured().tracks()[:1])
    assert matched(plan_of(("hammers", half)), measured().tracks()[:1])


def test_no_track_is_given_away_twice_and_the_better_pairs_win() -> None:
    plan = plan_of(("knocks", (1.3, 5.0, 6.0)), ("taps", HITS), ("an engine", (0.5, 7.5)))
    found = matched(plan, measured().tracks())
    assert {event: track.event.id for event, track in found.items()} == {"e2": "s1", "e3": "s2"}


def test_what_is_off_screen_was_not_measured() -> None:
    plan = plan_of(("hammers", HITS), on_screen=False)
    assert agreed(plan, measured()) == (plan, [])


def test_without_tracks_or_events_nothing_changes() -> None:
    plan = plan_of(("knocks", HITS))
    assert agreed(plan, Evidence(Plan(duration=SECONDS))) == (plan, [])
    assert agreed(Plan(duration=SECONDS), measured()) == (Plan(duration=SECONDS), [])


def test_prose_gives_way_to_the_new_numbers() -> None:
    own = plan_of(("knocks", (1.3, 2.6, 4.2)))
    own = own.model_copy(
        update={"temporal": own.temporal.model_copy(update={"prose": "It knocks at 1.30 s."})}
    )
    plan, _ = agreed(own, measured())
    assert "1.30" not in plan.render("tagged", "numeric")
    assert "1.04" in plan.render("tagged", "numeric")


def test_what_was_measured_keeps_its_numbers_and_takes_the_words_of_the_same_events() -> None:
    evidence = measured()
    plan = reworded(evidence, plan_of(("a drum", HITS), ("nothing of the kind", (7.0,))))
    first, *others = plan.semantic.events
    assert (first.id, first.sound) == (evidence.plan.semantic.events[0].id, "a drum")
    assert others == list(evidence.plan.semantic.events[1:])
    assert (plan.temporal, plan.spatial) == (evidence.plan.temporal, evidence.plan.spatial)


def test_where_nothing_was_measured_the_words_stand_alone() -> None:
    own = plan_of(("a drum", HITS))
    assert reworded(Evidence(Plan(duration=SECONDS)), own) == own
