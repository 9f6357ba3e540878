"""Checking: a sound plan has no findings, and each thing that is made wrong is found, once and under its name."""

from typing import Any

import pytest

from prismaudio.dimensions.lint import lint
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event
from prismaudio.dimensions.spatial import Key, Place
from prismaudio.dimensions.temporal import Span

SOUND = Plan.model_validate(
    {
        "duration": 8,
        "semantic": {
            "events": [{"id": "dog", "sound": "a dog barking"}, {"id": "door", "sound": "a door slamming"}],
            "ambience": ["wind blowing"],
            "avoid": ["music"],
        },
        "temporal": {
            "spans": [
                {"event": "dog", "onset": 1, "offset": 3, "hits": [1, 2], "strengths": [0.5, 1]},
                {"event": "door", "onset": 4, "offset": 5, "hits": [4]},
            ]
        },
        "aesthetic": {"quality": 0.9, "room": "room"},
        "spatial": {
            "places": [
                {"event": "dog", "keys": [[0, -0.8], [8, -0.4]]},
                {"event": "door", "keys": [[0, 0.7]]},
            ]
        },
    }
)


def changed(path: str, value: Any) -> Plan:
    """The sound plan with one field set, unchecked, as code that copies plans sets it."""

    def put(owner: Any, names: list[str]) -> Any:
        if not names:
            return value
        if isinstance(owner, tuple):
            index = int(names[0])
            return (*owner[:index], put(owner[index], names[1:]), *owner[index + 1 :])
        return owner.model_copy(update={names[0]: put(getattr(owner, names[0]), names[1:])})

    return put(SOUND, path.split("."))


def more(path: str, item: Any) -> Plan:
    """The sound plan with one item more in a list."""
    owner: Any = SOUND
    for name in path.split("."):
        owner = getattr(owner, name)
    return changed(path, (*owner, item))


def test_a_sound_plan_has_no_findings() -> None:
    assert lint(SOUND, 8.0) == []


@pytest.mark.parametrize(
    ("plan", "severity", "field", "message"),
    [
        (more("semantic.events", Event(id="cat", sound="a cat")), "error", "semantic.events.2", "no span"),
        (changed("semantic.events.0.confidence", 0.1), "warning", "semantic.events.0.confidence", "not sure"),
        (changed("semantic.avoid", ("barking dogs",)), "error", "semantic.avoid.0", "'barking dogs'"),
        (changed("semantic.avoid", ("the wind",)), "error", "semantic.avoid.0", "ambience 0"),
        (changed("semantic.events.0.sound", "silence"), "error", "semantic.events.0.sound", "no sound"),
        (
            changed("semantic.prose", "Generate silence, no dog, no door."),
            "error",
            "semantic.prose",
            "2 events",
        ),
        (changed("semantic.prose", "A dog."), "warning", "semantic.prose", "'a door slamming'"),
        (changed("temporal.spans.1.offset", 9), "error", "temporal.spans.1.offset", "9.00 s"),
        (
            more("temporal.spans", Span(event="door", onset=8.5, offset=9)),
            "error",
            "temporal.spans.2.onset",
            "8.50 s, after the clip's 8.00 s",
        ),
        (
            more("temporal.spans", Span(event="dog", onset=2.5, offset=4)),
            "warning",
            "temporal.spans.2",
            "overlaps its own span 0",
        ),
        (changed("temporal.spans.0.hits", (1, 3.5)), "error", "temporal.spans.0", "must lie between"),
        (changed("temporal.spans.0.hits", (2, 1)), "error", "temporal.spans.0", "must rise"),
        (changed("temporal.spans.0.strengths", (1, 1.5)), "error", "temporal.spans.0.strengths.1", "1.5"),
        (changed("temporal.spans.0.onset", float("nan")), "error", "temporal.spans.0.onset", "finite"),
        (changed("temporal.spans.0.event", "ghost"), "error", "temporal.spans", "'ghost'"),
        (
            changed("temporal.prose", "First the door slams, then the dog barks."),
            "error",
            "temporal.prose",
            "before",
        ),
        (changed("temporal.prose", "The dog barks at 6.5 s."), "error", "temporal.prose", "6.50 s"),
        (changed("aesthetic.quality", 1.5), "error", "aesthetic.quality", "1.5"),
        (changed("aesthetic.flaws", ("hum",)), "warning", "aesthetic.flaws", "clean recording"),
        (changed("aesthetic.prose", "A loud room."), "warning", "aesthetic.prose", "'loud'"),
        (changed("aesthetic.prose", "A dry sound."), "warning", "aesthetic.prose", "room 'dry'"),
        (changed("spatial.places.0.event", "ghost"), "error", "spatial.places", "'ghost'"),
        (
            more("spatial.places", Place(event="door", keys=(Key(0, 0),))),
            "error",
            "spatial.places.2",
            "a place already",
        ),
        (
            changed("spatial.places.0.keys", (Key(0, -0.8), Key(9, -0.4))),
            "warning",
            "spatial.places.0.keys",
            "after the clip",
        ),
        (
            changed("spatial.places.1.keys", (Key(0, -0.7), Key(0.1, 0.7))),
            "warning",
            "spatial.places.1.keys",
            "jumps",
        ),
        (
            changed("spatial.places.1.keys", (Key(0, 0.7), Key(1, 1.7))),
            "error",
            "spatial.places.1",
            "azimuth 1.7",
        ),
        (
            changed("semantic.events.1.sound", "a door slamming on the left"),
            "error",
            "spatial.places.1.keys",
            "right",
        ),
        (
            changed("spatial.prose", "The dog walks from the right to the center."),
            "error",
            "spatial.prose",
            "left",
        ),
        (changed("duration", -1.0), "error", "duration", "greater than 0"),
    ],
)
def test_what_is_made_wrong_is_found_once(plan: Plan, severity: str, field: str, message: str) -> None:
    (finding,) = lint(plan)
    assert (finding.severity, finding.field) == (severity, field)
    assert message in str(finding)
    assert finding.dimension == (field.split(".")[0] if "." in field else "plan")


def test_a_video_of_another_length_is_told() -> None:
    (finding,) = lint(SOUND, 9.0)
    assert (finding.field, finding.dimension, finding.severity) == ("duration", "plan", "warning")


@pytest.mark.parametrize(
    "plan",
    [
        changed("spatial.prose", "The dog is on the left and stays left, the door is right."),
        changed("spatial.prose", "Everything surrounds the listener."),
        changed("temporal.prose", "First the dog barks at 1 s for 2 seconds, then the door slams at 4.05 s."),
        changed("aesthetic.prose", "A clear recording."),
        changed("semantic.prose", "A barking dog, then somebody slams the door."),
        changed("semantic.prose", "A dog barks, then silence, then a door slams."),
        changed("semantic.avoid", ("the sound",)),
        changed("temporal.spans.1.offset", 8.04),
        changed("spatial.places.1.keys", (Key(0, 0.7), Key(0, 0.6))),
    ],
)
def test_what_agrees_is_left_alone(plan: Plan) -> None:
    assert lint(plan) == []


@pytest.mark.parametrize(("azimuth", "count"), [(-0.8, 1), (-0.7, 1), (-0.5, 0), (0.5, 0)])
def test_two_events_of_one_name_are_two_sources_only_in_two_places(azimuth: float, count: int) -> None:
    plan = more("semantic.events", Event(id="dog2", sound="A dog barking"))
    values = plan.model_dump(mode="json")
    values["temporal"]["spans"] += [{"event": "dog2", "onset": 5, "offset": 6}]
    values["spatial"]["places"] += [{"event": "dog2", "keys": [[0, azimuth], [8, azimuth + 0.4]]}]
    findings = lint(Plan.model_validate(values))
    assert [finding.field for finding in findings] == ["semantic.events.2"] * count


def test_time_that_is_told_in_words_alone_needs_no_spans() -> None:
    values = SOUND.model_dump() | {"temporal": {"prose": "First the dog barks."}}
    assert lint(Plan.model_validate(values)) == []


def test_errors_come_first() -> None:
    plan = changed("semantic.events.0.confidence", 0.1).model_copy(
        update={"temporal": changed("temporal.spans.1.offset", 9.0).temporal}
    )
    assert [finding.severity for finding in lint(plan)] == ["error", "warning"]
