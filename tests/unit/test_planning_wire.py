"""The plan on the wire: the schema is one that strict servers take, answers become plans, and what is wrong is told."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planned_clips import LATE, SECONDS, answer
from planner_servers import unlike_strict
from plans import consistent

from prismaudio.dimensions.plan import DIMENSIONS, Plan
from prismaudio.dimensions.spatial import Key
from prismaudio.planning.wire import Unusable, contradictions, read, schema


def on_the_wire(plan: Plan) -> dict[str, Any]:
    """As a model would write it: without what is ours, pairs as objects."""
    values = plan.model_dump(mode="json", include=set(DIMENSIONS))
    for name in DIMENSIONS:
        values[name].pop("prose")
    for event in values["semantic"]["events"]:
        event.pop("label")
    for place in values["spatial"]["places"]:
        place["keys"] = [dict(zip(Key._fields, key, strict=True)) for key in place["keys"]]
    return values


def fields(schema: dict[str, Any], where: str = "") -> set[str]:
    """Every field that a schema has, by its path."""
    below = schema.get("properties", {}) | ({"[]": schema["items"]} if "items" in schema else {})
    return {where} | {field for name, part in below.items() for field in fields(part, f"{where}.{name}")}


@pytest.mark.parametrize("prose", [False, True])
def test_strict_servers_take_the_schema(prose: bool) -> None:
    assert unlike_strict(schema(prose=prose)) is None
    assert len(json.dumps(schema(prose=prose))) < 5000


def test_the_schema_asks_for_all_that_a_model_can_decide() -> None:
    asked = fields(schema(prose=False))
    assert tuple(schema(prose=False)["properties"]) == DIMENSIONS
    assert not any("prose" in field or "provenance" in field or "label" in field for field in asked)
    assert {".spatial.places.[].keys.[].azimuth", ".temporal.spans.[].hits.[]", ".semantic.avoid.[]"} <= asked
    assert {f".{name}.prose" for name in DIMENSIONS} == fields(schema(prose=True)) - asked


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_a_plan_travels_there_and_back(seed: int) -> None:
    plan = consistent(seed)
    assert read(json.dumps(on_the_wire(plan)), plan.duration) == plan


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_paragraphs_in_our_own_words_become_the_same_plan(seed: int) -> None:
    plan = consistent(seed)
    text = plan.render("tagged", "numeric")
    assert read(text, plan.duration).render("tagged", "numeric") == text


@pytest.mark.parametrize(
    "around", ["```json\n{}\n```", "Here is the plan: {} Enjoy!", "<think>{{?}}</think>{}"]
)
def test_what_a_model_says_around_its_plan_is_passed_over(around: str) -> None:
    body = answer()
    assert read(around.replace("{}", body), SECONDS) == read(body, SECONDS)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "no paragraph <Semantic>, <Temporal>, <Aesthetic>, <Spatial>"),
        ("I cannot see a video.", "no paragraph"),
        ("<Semantic> a dog\n<Temporal> now\n<Spatial> left", "no paragraph <Aesthetic>"),
        ("<Semantic> mhm\n<Temporal> now\n<Aesthetic> fine\n<Spatial> left", "names no sound"),
        (answer()[:-20], "not valid JSON"),
        ("}{", "not valid JSON"),
        ("{" * 100_000, "not valid JSON"),
        ("{}", "semantic, temporal, aesthetic, spatial: missing"),
        (answer(duration=3), "unknown fields duration"),
        (answer(provenance={"planner": "me"}), "unknown fields provenance"),
        (answer(aesthetic={"quality": 7}), "aesthetic.quality: Input should be less than or equal to 1 (got 7)"),
        (answer(aesthetic={"quality": float("nan")}), "aesthetic.quality: Input should be"),
        (answer(temporal={"spans": [{"event": "s9", "onset": 0, "offset": 1}]}), "unknown events ['s9']"),
        (LATE, "temporal.spans.0.onset: 'a woodpecker drumming' sounds at 9.00 s, after the clip's 8.00 s"),
        (LATE, "semantic.events.1: 'a tractor driving' has no span"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_answer_is_told_in_one_line(said: str, told: str) -> None:
    with pytest.raises(Unusable) as error:
        read(said, SECONDS)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_of_many_problems_the_first_few_are_told() -> None:
    spans = [{"event": "s1", "onset": -1, "offset": 0}] * 9
    with pytest.raises(Unusable, match="and 13 more"):
        read(answer(temporal={"spans": spans}), SECONDS)


def test_silence_is_an_answer() -> None:
    text = Plan(duration=SECONDS).render("tagged", "numeric")
    assert read(text, SECONDS).semantic.events == ()
    nothing = {"events": [], "ambience": [], "avoid": []}
    silent = answer(semantic=nothing, temporal={"spans": []}, spatial={"places": []})
    assert contradictions(read(silent, SECONDS)) == []
