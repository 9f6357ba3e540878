"""The plan: what contradicts itself is refused, what is written is read back, words follow numbers."""

import hashlib
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from prismaudio.dimensions.aesthetic import AestheticThought
from prismaudio.dimensions.plan import DIMENSIONS, InvalidPlan, Plan
from prismaudio.dimensions.provenance import Provenance, UnreadableFile
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
        ({"onset": 0, "offset": 2, "hits": [1], "strengths": [1.5]}, "less than or equal to 1"),
        ({"onset": 0, "offset": float("inf")}, "finite"),
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


def test_a_key_without_a_number_is_refused() -> None:
    with pytest.raises(ValidationError, match="finite"):
        Place(event="dog", keys=(Key(float("nan"), 0),))


def test_words_are_one_line_and_not_empty() -> None:
    assert Event(id="a", sound=" a\n dog ").sound == "a dog"
    with pytest.raises(ValidationError, match="is empty"):
        SemanticThought(avoid=(" ",))


@pytest.mark.parametrize("prose", ["A dog. <Spatial> Left.", "Temporal: now", "</semantic>", "```"])
def test_prose_belongs_to_one_dimension(prose: str) -> None:
    with pytest.raises(ValidationError, match="prose"):
        AestheticThought(prose=prose)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("duration: -4", r"duration: .*greater than 0 \(got -4\)"),
        ("semantic: {}", r"duration: Field required$"),
        ("duration: 4\naesthetic: {room: cave}", r"aesthetic\.room: .*'hall' \(got 'cave'\)"),
        ("duration: 4\nsemantic: {avoid: ['']}", r"semantic\.avoid\.0: is empty.*\(got ''\)"),
        ("duration: 4\nversion: 2\nloud: 1", r"version: .*\(got 2\); and 1 more$"),
        (
            "duration: 4\ntemporal: {spans: [{event: a, onset: 2, offset: 1}]}",
            r"temporal\.spans\.0: offset 1\.0 is not after onset 2\.0$",
        ),
        ("duration: 4\nspatial: {places: [{event: a, keys: [[0, 0]]}]}", r"spatial\.places names .*\['a'\]"),
        ("duration: .nan", r"duration: .*finite"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_field_and_value(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(InvalidPlan, match=told):
        Plan.load(tmp_path / "plan.yaml")


def test_numbers_of_a_file_stand_on_one_line() -> None:
    assert "    hits: [1.0, 2.0]\n" in barking().to_text("yaml")
    assert "    - [4.0, 0.8]\n" in barking().to_text("yaml")


@pytest.mark.parametrize("ending", ["yaml", "json"])
@pytest.mark.parametrize(
    "text", ["雨 \U0001f327", "a\x85b", "a\u2028b", "\ufeffa", "no", "1.5", "0x1f", "two\nlines\n", "\x00"]
)
def test_any_text_survives_a_file(tmp_path: Path, text: str, ending: str) -> None:
    plan = Plan(duration=1, semantic=SemanticThought(events=(Event(id=text, sound="a"),)))
    plan.save(tmp_path / f"plan.{ending}")
    assert Plan.load(tmp_path / f"plan.{ending}") == plan


def test_a_file_can_be_read_in_any_language() -> None:
    plan = Plan(duration=1, semantic=SemanticThought(avoid=("雨",)))
    assert "雨" in plan.to_text("yaml")
    assert "雨" in plan.to_text("json")


def test_a_plan_of_another_video_is_noticed(tmp_path: Path) -> None:
    video, other = tmp_path / "a.mp4", tmp_path / "b.mp4"
    video.write_bytes(b"pictures")
    other.write_bytes(b"others")
    plan = barking().about(video, planner="me", versions={"prismaudio": "1"})
    assert plan.provenance.video_sha256 == hashlib.sha256(b"pictures").hexdigest()
    assert plan.mismatch(video) is None
    assert "by me for another video than b.mp4" in str(plan.mismatch(other))
    assert barking().mismatch(other) is None
    with pytest.raises(UnreadableFile, match="none.mp4"):
        plan.mismatch(tmp_path / "none.mp4")


def test_signing_keeps_what_was_known(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.touch()
    first = barking().about(video, planner="me", versions={"a": "1"})
    assert first.about(video, versions={"b": "2"}).provenance == Provenance(
        planner="me", versions={"a": "1", "b": "2"}, video_sha256=first.provenance.video_sha256
    )


def test_the_day_of_a_plan_makes_no_difference() -> None:
    today, other = Provenance(written=date(2026, 1, 2)), Provenance(planner="other")
    assert today == Provenance()
    assert hash(today) == hash(Provenance())
    assert today != other
    assert today != "text"


def test_prose_of_the_whole_clip_is_not_said_of_a_part() -> None:
    plan = barking()
    spoken = plan.model_copy(
        update={
            "temporal": plan.temporal.model_copy(update={"prose": "Twice."}),
            "spatial": SpatialThought(prose="All around."),
            "aesthetic": AestheticThought(prose="Clear."),
        }
    )
    assert window(spoken, 0.0, 4.0).temporal.prose == "Twice."
    part = window(spoken, 0.5, 1.0)
    assert part.temporal.prose is None
    assert (part.spatial.prose, part.aesthetic.prose) == ("All around.", "Clear.")


def test_what_is_not_to_be_said_is_not_said_of_a_part_either() -> None:
    silent = barking().model_copy(
        update={"temporal": barking().temporal.model_copy(update={"prose": ""})},
    )
    assert window(silent, 0.5, 1.0).paragraphs()["temporal"] == ""


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
