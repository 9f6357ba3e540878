"""A caption keeps its words, falls into events, and takes its moments and places from the picture."""

import pytest
from planned_clips import HITS, SECONDS, measured, request

from prismaudio.dimensions.lint import lint
from prismaudio.dimensions.plan import Plan
from prismaudio.planning.base import PlannerFailed
from prismaudio.planning.caption import CaptionPlanner, avoided, background, phrases
from prismaudio.planning.evidence import Evidence


def planned(text: str, evidence: Evidence | None = None) -> Plan:
    plan = CaptionPlanner(text).plan(request(evidence=evidence or measured()))
    assert [finding for finding in lint(plan) if finding.severity == "error"] == []
    return plan


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a dog barking", ["a dog barking"]),
        ("Generate the sound of a dog barking.", ["a dog barking"]),
        ("Please create audio of rain", ["rain"]),
        ("a dog barks twice, then a door slams while rain falls", ["a dog barks twice", "a door slams", "rain falls"]),
        ("First, a man walks, followed by birds. Finally a car passes", ["a man walks", "birds", "a car passes"]),
        ("rain and wind", ["rain", "wind"]),
        ("birds singing and wind blowing", ["birds singing", "wind blowing"]),
        ("a dog barks and growls", ["a dog barks and growls"]),
        ("knocks at 1, 2 and 3.5 s; a door creaks", ["knocks at 1, 2 and 3.5 s", "a door creaks"]),
        ("a bell rings as a train passes", ["a bell rings", "a train passes"]),
        ("rain, rain, rain", ["rain"]),
        ("a dog barks with rain in the background, without music", ["a dog barks"]),
        ("Ein Hund bellt, dann regnet es", ["Ein Hund bellt", "dann regnet es"]),
    ],
)  # fmt: skip
def test_a_sentence_falls_into_what_sounds(text: str, found: list[str]) -> None:
    assert phrases(text) == found


def test_background_and_what_to_avoid_are_no_events() -> None:
    text = "a dog barks with rain in the background, avoiding music and any speech"
    assert (phrases(text), background(text), avoided(text)) == (
        ["a dog barks"],
        ["rain"],
        ["music", "speech"],
    )
    plan = planned(text)
    assert (plan.semantic.ambience, plan.semantic.avoid) == (("rain",), ("music", "speech"))
    assert background("In the background, wind blowing. A dog barks") == ["wind blowing"]


@pytest.mark.parametrize("text", ["", "  , . ", "the", "without music"])
def test_a_sentence_without_a_sound_is_refused(text: str) -> None:
    with pytest.raises(PlannerFailed, match="names no sound"):
        CaptionPlanner(text)


def test_the_words_are_kept_and_the_picture_says_when_and_where() -> None:
    text = "A woodpecker drums  and a tractor drives past."
    plan = planned(text)
    assert plan.semantic.prose == "A woodpecker drums and a tractor drives past."
    first, second = plan.semantic.events
    assert (first.sound, second.sound) == ("A woodpecker drums", "a tractor drives past")
    spans = {span.event: span for span in plan.temporal.spans}
    assert spans[first.id].hits == HITS
    assert (spans[second.id].onset, spans[second.id].offset) == (0.5, 7.5)
    places = {place.event: place for place in plan.spatial.places}
    assert places[first.id].way() == ["left"]
    assert places[second.id].way() == ["left", "center", "right"]
    assert (plan.temporal.prose, plan.spatial.prose) == (None, None)


def test_equal_names_go_together_whatever_the_order() -> None:
    plan = planned("a car drives by, nails are hammered")
    spans = {span.event: span for span in plan.temporal.spans}
    assert spans["s1"].hits == ()
    assert spans["s2"].hits == HITS


def test_a_told_order_is_the_order_of_the_tracks() -> None:
    """The weaker track moves first."""
    plan = planned("first a tram passes, then someone claps")
    spans = {span.event: span for span in plan.temporal.spans}
    assert (spans["s1"].onset, spans["s2"].hits) == (0.5, HITS)


def test_wind_does_not_strike() -> None:
    plan = planned("wind in the leaves, a woodpecker")
    spans = {span.event: span for span in plan.temporal.spans}
    assert (spans["s1"].onset, spans["s1"].offset, spans["s2"].hits) == (0.5, 7.5, HITS)
    (rain,) = planned("rain", Evidence(measured().plan.model_copy(update=only_hits()))).temporal.spans
    assert (rain.onset, rain.offset, rain.hits) == (0.0, SECONDS, ())


def only_hits() -> dict[str, object]:
    """What changes a plan into one of its first event."""
    plan = measured().plan
    return {
        "semantic": plan.semantic.model_copy(update={"events": plan.semantic.events[:1]}),
        "temporal": plan.temporal.model_copy(update={"spans": plan.temporal.spans[:1]}),
        "spatial": plan.spatial.model_copy(update={"places": plan.spatial.places[:1]}),
    }


def test_seconds_and_sides_in_the_words_hold_against_the_picture() -> None:
    plan = planned("a drum at 6.5 s on the right")
    (span,), (place,) = plan.temporal.spans, plan.spatial.places
    assert span.hits == (6.5,)
    assert place.way() == ["right"]


def test_seconds_after_the_end_are_not_believed() -> None:
    (span,) = planned("a drum at 20 s").temporal.spans
    assert span.hits == HITS


def test_what_was_not_seen_sounds_all_the_time_and_is_noted() -> None:
    plan = planned("knocking, an engine, birds")
    birds = next(span for span in plan.temporal.spans if span.event == "s3")
    assert (birds.onset, birds.offset) == (0.0, SECONDS)
    assert "s3" not in {place.event for place in plan.spatial.places}
    assert plan.provenance.notes == ("no measured moments for: birds",)
    nothing = planned("birds", Evidence(Plan(duration=SECONDS)))
    assert nothing.onsets() == [0.0]


def test_without_measurements_there_is_no_plan() -> None:
    with pytest.raises(PlannerFailed, match="nothing was measured"):
        CaptionPlanner("birds").plan(request(evidence=None))
