"""Differences: each edit is told once, in words a person would use, and as values."""

import json
from typing import Any

import pytest

from prismaudio.dimensions.diff import aligned, diff
from prismaudio.dimensions.plan import Plan

PLAN: dict[str, Any] = {
    "duration": 8,
    "semantic": {
        "events": [{"id": "dog", "sound": "dog"}, {"id": "door", "sound": "door slam"}],
        "avoid": ["music"],
    },
    "temporal": {
        "spans": [
            {"event": "dog", "onset": 1, "offset": 4, "hits": [1, 2, 3], "strengths": [0.5, 1, 1]},
            {"event": "door", "onset": 2, "offset": 5, "hits": [2.1]},
        ]
    },
    "spatial": {
        "places": [
            {"event": "dog", "keys": [[0, -0.8], [8, -0.6]]},
            {"event": "door", "keys": [[0, 0.7]], "distance": 0.5},
        ]
    },
    "provenance": {"planner": "me"},
}


def edited(*path: str | int, to: Any) -> Plan:
    values = Plan.model_validate(PLAN).model_dump(mode="json")
    owner = values
    for name in path[:-1]:
        owner = owner[name]
    owner[path[-1]] = to
    return Plan.model_validate(values)


@pytest.mark.parametrize(
    ("plan", "dimension", "told"),
    [
        (edited("duration", to=9), "plan", "duration 8.00 s -> 9.00 s"),
        (edited("provenance", "planner", to="you"), "plan", "planner 'me' -> 'you'"),
        (edited("semantic", "events", 0, "sound", to="cat"), "semantic", "dog: sound 'dog' -> 'cat'"),
        (edited("semantic", "events", 0, "label", to="k9"), "semantic", "dog: label none -> 'k9'"),
        (
            edited("semantic", "events", 0, "on_screen", to=False),
            "semantic",
            "dog: on_screen True -> False",
        ),
        (
            edited("semantic", "events", 0, "confidence", to=0.999),
            "semantic",
            "dog: confidence 1.000 -> 0.999",
        ),
        (edited("semantic", "avoid", to=[]), "semantic", "avoid 'music' removed"),
        (edited("semantic", "ambience", to=["wind"]), "semantic", "ambience 'wind' added"),
        (edited("semantic", "prose", to="x" * 70), "semantic", f"prose none -> '{'x' * 60}...'"),
        (edited("temporal", "spans", 1, "hits", 0, to=2.6), "temporal", "door slam: hit 2.10 s -> 2.60 s"),
        (edited("temporal", "spans", 1, "onset", to=2.05), "temporal", "door slam: onset 2.00 s -> 2.05 s"),
        (edited("temporal", "spans", 1, "offset", to=4), "temporal", "door slam: offset 5.00 s -> 4.00 s"),
        (edited("temporal", "spans", 1, "hits", to=[2.1, 3]), "temporal", "door slam: hit 3.00 s added"),
        (edited("temporal", "spans", 0, "hits", to=[1.5, 2.5, 3.5]), "temporal", "dog: 3 hits 0.50 s later"),
        (
            edited("temporal", "spans", 0, "strengths", 0, to=0.25),
            "temporal",
            "dog: strength of hit 1.00 s 0.50 -> 0.25",
        ),
        (
            edited("temporal", "spans", 0, "strengths", to=[]),
            "temporal",
            "dog: strengths of the hits removed",
        ),
        (
            edited(
                "temporal",
                "spans",
                to=[*PLAN["temporal"]["spans"], {"event": "dog", "onset": 6, "offset": 7}],
            ),
            "temporal",
            "dog: span 6.00 to 7.00 s added",
        ),
        (
            edited("temporal", "spans", to=PLAN["temporal"]["spans"][:1]),
            "temporal",
            "door slam: span 2.00 to 5.00 s removed",
        ),
        (edited("aesthetic", "quality", to=0.5), "aesthetic", "quality 1.00 -> 0.50"),
        (edited("aesthetic", "flaws", to=["hum"]), "aesthetic", "flaws 'hum' added"),
        (edited("aesthetic", "room", to="hall"), "aesthetic", "room 'dry' -> 'hall'"),
        (
            edited("spatial", "places", 0, "keys", to=[[0, 0.8], [8, 0.6]]),
            "spatial",
            "dog: left -> right",
        ),
        (
            edited("spatial", "places", 0, "keys", 1, 1, to=0.6),
            "spatial",
            "dog: left -> left to center to right",
        ),
        (
            edited("spatial", "places", 0, "keys", 1, 1, to=-0.5),
            "spatial",
            "dog: azimuth at 8.00 s -0.60 -> -0.50",
        ),
        (
            edited("spatial", "places", 1, "keys", 0, 0, to=1),
            "spatial",
            "door slam: path 0.7 at 0 s -> 0.7 at 1 s",
        ),
        (edited("spatial", "places", 1, "distance", to=0.4), "spatial", "door slam: distance 0.50 -> 0.40"),
        (
            edited("spatial", "places", to=PLAN["spatial"]["places"][:1]),
            "spatial",
            "door slam: place right removed",
        ),
    ],
)
def test_an_edit_is_told_once(plan: Plan, dimension: str, told: str) -> None:
    (change,) = diff(Plan.model_validate(PLAN), plan)
    assert (change.dimension, str(change)) == (dimension, told)
    assert change.before != change.after


def test_values_are_there_for_programs() -> None:
    (change,) = diff(Plan.model_validate(PLAN), edited("temporal", "spans", 1, "hits", 0, to=2.6))
    assert (change.subject, change.field, change.before, change.after) == ("door slam", "hit", 2.1, 2.6)


def test_an_event_that_is_gone_takes_time_and_place_along() -> None:
    fewer = Plan.model_validate(
        PLAN
        | {
            "semantic": {"events": PLAN["semantic"]["events"][:1], "avoid": ["music"]},
            "temporal": {"spans": PLAN["temporal"]["spans"][:1]},
            "spatial": {"places": PLAN["spatial"]["places"][:1]},
        }
    )
    changes = diff(Plan.model_validate(PLAN), fewer)
    assert [change.dimension for change in changes] == ["semantic", "temporal", "spatial"]
    assert str(changes[0]) == "door slam: event removed"
    assert [str(change) for change in diff(fewer, Plan.model_validate(PLAN))][0] == "door slam: event added"


def test_ids_and_the_order_of_lists_mean_nothing() -> None:
    text = json.dumps(PLAN).replace('"id": "dog"', '"id": "x"').replace('"event": "dog"', '"event": "x"')
    other = json.loads(text)
    other["semantic"]["events"].reverse()
    other["temporal"]["spans"].reverse()
    assert diff(Plan.model_validate(PLAN), Plan.model_validate(other)) == []


def test_an_event_keeps_its_name_when_another_takes_its_id() -> None:
    swapped = edited(
        "semantic", "events", to=[{"id": "door", "sound": "dog"}, {"id": "dog", "sound": "door slam"}]
    )
    assert {change.subject for change in diff(Plan.model_validate(PLAN), swapped)} == {"dog", "door slam"}
    assert not any(change.dimension == "semantic" for change in diff(Plan.model_validate(PLAN), swapped))


def test_moments_are_paired_with_their_nearest_in_order() -> None:
    assert aligned([1.0, 2.0], [0.4, 1.1, 2.1], float) == [(None, 0.4), (1.0, 1.1), (2.0, 2.1)]
    assert aligned([0.0, 1.0, 5.0], [1.2], float) == [(0.0, None), (1.0, 1.2), (5.0, None)]
    assert aligned([], [1.0], float) == [(None, 1.0)]
    assert aligned([], [], float) == []
