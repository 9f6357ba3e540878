"""The student's language: every scene can be told in it and comes back, and whatever obeys the grammar is a plan."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prismaudio.dimensions.lint import lint
from prismaudio.dimensions.parse import parse
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.planning.language import (
    AESTHETIC,
    END,
    FIRST_FRAME,
    FPS,
    MOST_KEYS,
    SEMANTIC,
    SPATIAL,
    STRIKES,
    TEMPORAL,
    UNTIL,
    WORDS,
    Unspeakable,
    Writer,
    frames_of,
    spoken,
    understood,
)
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.scene import draw_scene

HALF_A_FRAME = 0.5 / FPS + 1e-4


def test_words_are_all_different() -> None:
    assert len(set(WORDS)) == len(WORDS)


def test_a_thousand_stage_plans_come_back() -> None:
    corpus = Corpus.load()
    for index in range(1000):
        truth = draw_scene(3, index, "train", corpus).plan(corpus)
        tokens = spoken(truth)
        told = understood(tokens, truth.duration)
        assert spoken(told) == tokens
        assert_near(told, truth)


def assert_near(told: Plan, truth: Plan) -> None:
    """The same but for the steps of the language."""
    heard, true = told.semantic, truth.semantic
    assert [(e.label, e.sound, e.on_screen) for e in heard.events] == [
        (e.label, e.sound, e.on_screen) for e in true.events
    ]
    assert heard.ambience == true.ambience
    for mine, its in zip(told.temporal.spans, truth.temporal.spans, strict=True):
        np.testing.assert_allclose(mine.onsets(), its.onsets(), atol=HALF_A_FRAME)
        assert bool(mine.hits) == bool(its.hits)
        assert mine.offset == pytest.approx(its.offset, abs=1.5 * HALF_A_FRAME)
    for here, there in zip(told.spatial.places, truth.spatial.places, strict=True):
        moments = np.linspace(0, truth.duration, 50)
        assert np.abs(here.azimuth_at(moments) - there.azimuth_at(moments)).max() < 0.06
        assert here.distance == pytest.approx(there.distance, abs=0.051)
    assert told.aesthetic.quality == pytest.approx(truth.aesthetic.quality, abs=0.026)
    assert (told.aesthetic.room, told.aesthetic.loudness) == (truth.aesthetic.room, truth.aesthetic.loudness)
    assert set(told.aesthetic.flaws) == set(truth.aesthetic.flaws)


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), duration=st.floats(0.05, 10.0), haste=st.floats(0, 1))
def test_whatever_obeys_the_grammar_is_a_plan_that_reads_back(
    seed: int, duration: float, haste: float
) -> None:
    rng, writer = np.random.default_rng(seed), Writer(frames_of(duration))
    while not writer.finished:
        allowed = np.flatnonzero(writer.mask())
        writer.write(int(allowed[0] if rng.random() < haste else rng.choice(allowed)))
    plan = understood(writer.tokens, duration)
    back = parse(plan.render(timing="numeric"), duration)
    assert list(back.sounds().values()) == list(plan.sounds().values())
    assert len(back.temporal.spans) == len(plan.semantic.events) == len(back.spatial.places)
    assert not [finding for finding in lint(plan) if finding.severity == "error"]
    assert writer.tokens[0] == SEMANTIC
    assert writer.tokens[-1] == END


def test_moments_must_rise() -> None:
    writer = Writer(50)
    for token in (SEMANTIC, WORDS.index("dog"), TEMPORAL, STRIKES, FIRST_FRAME + 10):
        writer.write(token)
    with pytest.raises(Unspeakable, match="'frame 10' cannot come after"):
        writer.write(FIRST_FRAME + 10)
    writer.write(UNTIL)
    assert not writer.mask()[FIRST_FRAME + 10]
    assert writer.mask()[FIRST_FRAME + 11]
    assert not writer.mask()[FIRST_FRAME + 51]


def test_every_event_is_told_of_once_in_time_and_in_space() -> None:
    writer = Writer(50)
    for token in (SEMANTIC, WORDS.index("dog"), WORDS.index("cat"), TEMPORAL):
        writer.write(token)
    assert not writer.mask()[AESTHETIC]
    for token in (STRIKES, FIRST_FRAME, UNTIL, FIRST_FRAME + 9) * 2:
        writer.write(token)
    assert np.flatnonzero(writer.mask()).tolist() == [AESTHETIC]
    assert SPATIAL not in writer.tokens


def test_a_text_that_breaks_off_is_no_plan() -> None:
    with pytest.raises(Unspeakable, match="breaks off"):
        understood([SEMANTIC, TEMPORAL], 2.0)


def test_a_sound_without_a_name_cannot_be_told() -> None:
    plan = Plan(duration=2.0, semantic=SemanticThought(events=(Event(id="a", sound="a zither"),)))
    with pytest.raises(Unspeakable, match="no sound of the vocabulary"):
        spoken(plan)


def test_long_ways_are_told_in_few_keys() -> None:
    corpus = Corpus.load()
    plan = draw_scene(3, 0, "train", corpus).plan(corpus)
    place = plan.spatial.places[0]
    keys = tuple((0.1 * i, float(np.sin(0.2 * i))) for i in range(20))
    longer = place.model_copy(update={"keys": type(place).model_validate({"event": "s1", "keys": keys}).keys})
    moved = plan.spatial.model_copy(update={"places": (longer, *plan.spatial.places[1:])})
    told = understood(spoken(plan.model_copy(update={"spatial": moved})), plan.duration)
    assert len(told.spatial.places[0].keys) == MOST_KEYS
