"""The prompt holds the four questions, what was measured and what is wished; the evidence says what it knows."""

import json

import pytest
import torch
from planned_clips import SECONDS, measured, request

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.dimensions import aesthetic, semantic, spatial, temporal
from prismaudio.dimensions.plan import Plan
from prismaudio.planning.evidence import CUT, Evidence
from prismaudio.planning.prompt import EXAMPLE, Form, objection, question
from prismaudio.planning.wire import read, schema

PARAGRAPHS = Form(None)
JSON = Form(schema(prose=False), enforced=True)


def test_every_dimension_puts_its_question_in_order() -> None:
    text = question(request(), JSON)
    places = [text.index(module.QUESTION) for module in (semantic, temporal, aesthetic, spatial)]
    assert places == sorted(places)
    assert "first 8.00 seconds" in text


def test_the_measured_evidence_is_told() -> None:
    text = question(request(), JSON)
    assert "something strikes at 1.04, 2.52, 4.00 s, azimuth -0.61: perhaps a hammer striking" in text
    assert (
        "something moves from 0.50 to 7.50 s, azimuth -0.80 at 0.50 s, 0.80 at 7.50 s: a car engine" in text
    )
    assert "the shot changes at 5.00 s" in text


@pytest.mark.parametrize("evidence", [None, Evidence(Plan(duration=SECONDS))])
def test_where_nothing_was_measured_nothing_is_said_of_it(evidence: Evidence | None) -> None:
    assert "Measured" not in question(request(evidence=evidence), JSON)


def test_wishes_are_told_and_only_if_there_are_any() -> None:
    text = question(request(hint="my \n garden", avoid=("music", "speech"), language="German"), JSON)
    assert "knows about the clip: my garden" in text
    assert "music, speech" in text
    assert "Write all words in German." in text
    plain = question(request(language="en"), JSON)
    assert not any(word in plain for word in ("knows about", "Must not", "Write all"))


def test_the_form_of_the_answer_is_told() -> None:
    by_server, by_prompt = question(request(), JSON), question(request(), JSON._replace(enforced=False))
    assert "schema:" not in by_server
    assert json.loads(by_prompt.partition("schema: ")[2]) == JSON.schema
    assert "'prose'" in question(request(), JSON._replace(prose=True))
    assert "silent" in by_server
    assert "with its sound" in question(request(), JSON._replace(listening=True))


def test_the_example_in_the_prompt_can_be_read_back() -> None:
    """Who follows it gives a plan."""
    text = question(request(), PARAGRAPHS)
    example = text[text.index("<Semantic>") :]
    assert read(example, EXAMPLE.duration).without_prose().temporal == EXAMPLE.temporal


def test_the_prompt_is_short() -> None:
    assert len(question(request(), JSON).split()) < 320


def test_an_objection_says_what_is_wrong() -> None:
    assert "spans: missing" in objection("spans: missing")


def test_cuts_are_read_off_the_motion() -> None:
    motion = torch.zeros(200, MotionEncoder.dim)
    motion[50, CUT] = motion[125, CUT] = 1
    motion[30, CUT - 1] = motion[31, (CUT + 1) % MotionEncoder.dim] = 5
    assert Evidence.measured(measured().plan, motion).cuts == (2.0, 5.0)
