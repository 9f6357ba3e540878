"""The plan: what contradicts itself is refused, what is written is read back, words follow numbers."""

import pytest
from pydantic import ValidationError

from prismaudio.dimensions.plan import DIMENSIONS, InvalidPlan, Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought, rhythm
from prismaudio.dimensions.window import window


def barking(
    hits: tuple[float, ...] = (1.0, 2.0), keys: tuple[Key, ...] = (Key(0, -0.8), Key(4, 0.8))
) -> Plan:
    return Plan(
        duration=4.0,
        semantic=SemanticThought(events=(Event(id="dog", sound="a dog barking"),), avoid=("music",)),
        temporal=TemporalThought(spans=(Span(event="dog", onset=hits[0], offset=hits[-1] + 0.5, hits=hits),)),
        spatial=SpatialThought(places=(Place(event="dog", keys=keys),)),
    )


def test_four_paragraphs_in_the_published_order() -> None:
    text = barking().render("tagged")
    assert [line.split(">")[0][1:].lower() for line in text.splitlines()] == list(DIMENSIONS)


def test_words_follow_the_numbers() -> None:
    paragraphs = barking().paragraphs("numeric")
    assert "a dog barking" in paragraphs["semantic"]
    assert "Avoid music" in paragraphs["semantic"]
    assert "1.00, 2.00 s" in paragraphs["temporal"]
    assert "from the left through the center to the right" in paragraphs["spatial"]


def test_ordinal_text_holds_no_seconds() -> None:
    assert not any(character.isdigit() for character in barking().render("tagged", "ordinal"))


@pytest.mark.parametrize(
    ("hits", "word"),
    [
        ((1.0,), "once"),
        ((1.0, 2.0, 3.0), "regular"),
        ((1, 2, 2.6, 2.9), "faster"),
        ((1, 1.2, 3.0, 3.3), "irregular"),
    ],
)
def test_rhythm_has_a_word(hits: tuple[float, ...], word: str) -> None:
    assert word in rhythm(hits)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"onset": 2, "offset": 1}, "not after onset"),
        ({"onset": 1, "offset": 2, "hits": [3]}, "must lie between"),
        ({"onset": 0, "offset": 2, "hits": [1.5, 1]}, "must rise"),
        ({"onset": 0, "offset": 2, "hits": [1], "strengths": [1, 1]}, "2 strengths for 1 hits"),
    ],
)
def test_an_impossible_span_is_refused(values: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Span.model_validate({"event": "dog", **values})


def test_a_reference_to_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="unknown events"):
        Plan(duration=1, temporal=TemporalThought(spans=(Span(event="ghost", onset=0, offset=1),)))


def test_azimuth_outside_the_screen_is_refused() -> None:
    with pytest.raises(ValidationError, match="outside -1"):
        Place(event="dog", keys=(Key(0, 1.5),))


def test_a_plan_file_round_trips_and_a_bad_one_names_its_field(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for name in ("plan.yaml", "plan.json"):
        barking().save(tmp_path / name)
        assert Plan.load(tmp_path / name) == barking()
    (tmp_path / "bad.yaml").write_text("duration: 4\nsemantic:\n  events:\n  - {id: a, sound: b, loud: 3}\n")
    with pytest.raises(InvalidPlan, match=r"semantic\.events\.0\.loud"):
        Plan.load(tmp_path / "bad.yaml")
    with pytest.raises(InvalidPlan, match="cannot read"):
        Plan.load(tmp_path / "missing.yaml")
    (tmp_path / "text.yaml").write_text("just words")
    with pytest.raises(InvalidPlan, match="not a plan"):
        Plan.load(tmp_path / "text.yaml")


def test_a_window_counts_from_its_start() -> None:
    part = window(barking(), 1.5, 2.0)
    assert part.duration == 2.0
    assert part.onsets() == [pytest.approx(0.5)]
    place = part.spatial.places[0]
    assert place.azimuth_at([0.0])[0] == pytest.approx(-0.2)  # type: ignore[arg-type]
    assert place.azimuth_at([2.0])[0] == pytest.approx(0.6)  # type: ignore[arg-type]


def test_a_window_without_sound_has_no_events() -> None:
    assert window(barking(), 3.0, 1.0).semantic.events == ()


def test_the_whole_clip_is_its_own_window() -> None:
    assert window(barking(), 0.0, 4.0).temporal == barking().temporal
