"""Text to plan: our sentences are understood, other people's are kept word for word and understood as far as may be."""

import pytest

from prismaudio.dimensions import lift
from prismaudio.dimensions.aesthetic import AestheticThought
from prismaudio.dimensions.parse import parse, read_text
from prismaudio.dimensions.plan import DIMENSIONS, InvalidPlan, Plan, Timing
from prismaudio.dimensions.semantic import Event, SemanticThought, adding, without_avoid
from prismaudio.dimensions.spatial import LONGEST_WAY, Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought

HORSE = {
    "semantic": "Generate the sound of a horse galloping, strong hoofbeats, heavy breathing. Avoid any music or voices.",
    "temporal": "First the horse gallops, then hoofbeats strike three times, and finally it stops with heavy breathing.",
    "aesthetic": "The audio maintains clear, crisp hoofbeats, natural reverberation and balanced loudness, no hum.",
    "spatial": "The sound pans from the left side, moves through the center, and fades to the right side.",
}


def two_dogs() -> Plan:
    return Plan(
        duration=4.0,
        semantic=SemanticThought(
            events=(
                Event(id="near", sound="a dog barking"),
                Event(id="rain", sound="rain, wind and hail", on_screen=False),
                Event(id="far", sound="A dog barking"),
            ),
            avoid=("music",),
        ),
        temporal=TemporalThought(
            spans=(
                Span(event="far", onset=0.5, offset=2, hits=(0.5, 1.0, 1.5)),
                Span(event="near", onset=0.25, offset=2),
                Span(event="rain", onset=0, offset=4),
            )
        ),
        spatial=SpatialThought(
            places=(
                Place(event="near", keys=(Key(0, -0.8), Key(3, 0.9), Key(4, 0)), distance=0.9),
                Place(event="far", keys=(Key(0, 0.5),), distance=0.1),
            )
        ),
    )


def test_the_words_of_the_published_figure_are_used_in_its_order() -> None:
    assert two_dogs().render().splitlines() == [
        '<Semantic> Generate the sound of a dog barking, "rain, wind and hail" and A dog barking (the second). '
        'Off screen: "rain, wind and hail". Avoid music.',
        '<Temporal> First "rain, wind and hail" throughout, then a dog barking until it fades, '
        "and finally A dog barking (the second) 3 times at a regular pace.",
        "<Aesthetic> The audio is clear, crisp and clean, balanced in loudness, close and dry.",
        "<Spatial> A dog barking moves from the left through the center and the right to the center, far away. "
        "A dog barking (the second) comes from the right, close.",
    ]


def test_numeric_text_tells_seconds_azimuth_distance_and_quality() -> None:
    told = two_dogs().paragraphs("numeric")
    assert "3 times at a regular pace at 0.50, 1.00, 1.50 s (0.50 to 2.00 s)" in told["temporal"]
    assert "from 0.25 to 2.00 s" in told["temporal"]
    assert "(azimuth -0.80 at 0.00 s, 0.90 at 3.00 s, 0.00 at 4.00 s; distance 0.90)" in told["spatial"]
    assert "(quality 1.00)" in told["aesthetic"]


@pytest.mark.parametrize(
    "sounds",
    [
        ("a dog",) * 12,
        ("ıslık", "İstanbul", "ßtraße", "Dog", "dog"),
        ("[spatial] hum", "<Semantic>", "Temporal: x", "`code`", "tags and more"),
        ('a "quoted" click', "3 times at a regular pace", "back\\slash", "a bell (the second)"),
    ],
)
@pytest.mark.parametrize("timing", ["ordinal", "numeric"])
def test_awkward_names_are_read_back(sounds: tuple[str, ...], timing: Timing) -> None:
    ids = [f"s{number}" for number in range(1, len(sounds) + 1)]
    plan = Plan(
        duration=9,
        semantic=SemanticThought(
            events=tuple(Event(id=name, sound=sound) for name, sound in zip(ids, sounds, strict=True)),
            avoid=sounds,
        ),
        temporal=TemporalThought(spans=tuple(Span(event=name, onset=1, offset=2) for name in ids)),
        spatial=SpatialThought(places=tuple(Place(event=name, keys=(Key(0, 0),)) for name in ids)),
    )
    for style in ("tagged", "plain"):
        again = parse(plan.render(style, timing), 9)  # type: ignore[arg-type]
        assert again.semantic == plan.semantic
        assert [span.event for span in again.temporal.spans] == ids
        assert [place.event for place in again.spatial.places] == ids


def test_numbers_are_rounded_before_they_are_put_into_words() -> None:
    plan = Plan(
        duration=9,
        semantic=SemanticThought(events=(Event(id="s1", sound="a dog"),)),
        temporal=TemporalThought(spans=(Span(event="s1", onset=1.001, offset=1.002),)),
        aesthetic=AestheticThought(quality=0.803),
        spatial=SpatialThought(
            places=(Place(event="s1", keys=(Key(0, 0.334), Key(1, -0.001)), distance=0.196),)
        ),
    )
    told = plan.paragraphs("numeric")
    assert "from 1.00 to 1.01 s" in told["temporal"]
    assert "of fair quality (quality 0.80)" in told["aesthetic"]
    assert "comes from the center (azimuth 0.33 at 0.00 s, 0.00 at 1.00 s; distance 0.20)" in told["spatial"]
    again = parse(plan.render("tagged", "numeric"), 9)
    assert again.without_prose() == again
    assert again.paragraphs("numeric") == told


def test_who_goes_to_and_fro_is_told_in_short() -> None:
    keys = tuple(Key(time, (-1) ** time * 0.5) for time in range(4))
    plan = Plan(
        duration=4,
        semantic=SemanticThought(events=(Event(id="s1", sound="a fly"),)),
        spatial=SpatialThought(places=(Place(event="s1", keys=keys),)),
    )
    assert plan.paragraphs()["spatial"] == "A fly moves back and forth between the left and the right."
    assert len(parse(plan.render(), 4).spatial.places[0].way()) > LONGEST_WAY
    shorter = plan.spatial.places[0].model_copy(update={"keys": keys[:3]})
    told = plan.model_copy(update={"spatial": SpatialThought(places=(shorter,))}).paragraphs()["spatial"]
    assert told == "A fly moves from the right through the center, the left and the center to the right."


@pytest.mark.parametrize(
    ("a", "b"), [("a door closing", "it closes"), ("two horses", "the horse"), ("running", "runs")]
)
def test_words_are_compared_without_their_endings(a: str, b: str) -> None:
    assert lift.stems(a) & lift.stems(b)


def test_the_length_of_the_clip_is_the_last_second_that_is_told() -> None:
    assert parse(two_dogs().render("plain", "numeric")).duration == 4.0


@pytest.mark.parametrize("duration", [None, 0.0, float("nan"), float("inf")])
def test_text_without_seconds_needs_the_length_of_its_clip(duration: float | None) -> None:
    with pytest.raises(InvalidPlan, match="give the duration"):
        parse("<Semantic> A dog barks.", duration)


@pytest.mark.parametrize(
    "form",
    [
        "<{Name}> {text}\n",
        "<{NAME}> {text} </{NAME}>\n",
        "[{Name}] {text} ",
        "**{Name} CoT**: {text}\n\n",
        "- **{name} reasoning:** {text}\n",
        "## {Name}\n{text}\n",
        "1. {Name}: {text}\n",
        "{NAME}:\n  {text}\n",
        "* <{name}s>: {text}\n",
    ],
)
def test_tags_are_recognised_in_many_forms(form: str) -> None:
    names = {name: {"name": name, "Name": name.capitalize(), "NAME": name.upper()} for name in DIMENSIONS}
    text = "".join(form.format(text=HORSE[name], **names[name]) for name in reversed(DIMENSIONS))
    assert parse(f"```text\n{text}\n```", 9.0).paragraphs() == HORSE


def test_what_people_write_is_kept_and_understood() -> None:
    plan = parse("\n".join(f"<{name}> {text}" for name, text in HORSE.items()), 9.0)
    assert [event.sound for event in plan.semantic.events] == [
        "a horse galloping", "strong hoofbeats", "heavy breathing",
    ]  # fmt: skip
    assert plan.semantic.avoid == ("music", "voices")
    assert [(span.event, span.onset, len(span.hits)) for span in plan.temporal.spans] == [
        ("s1", 0.0, 0),
        ("s2", 3.0, 3),
        ("s3", 6.0, 0),
    ]
    assert (plan.aesthetic.quality, plan.aesthetic.room, plan.aesthetic.flaws) == (1.0, "room", ())
    assert {place.event for place in plan.spatial.places} == {"s1", "s2", "s3"}
    for place in plan.spatial.places:  # the sound as a whole moves, while it is heard
        assert place.way() == ["left", "center", "right"]
        assert (place.keys[0].time, place.keys[-1].time) == (0.0, 9.0)


def test_seconds_in_free_prose_are_hits_and_spans() -> None:
    text = (
        "<semantic> Generate a door slamming and rain falling.\n"
        "<temporal> The rain falls from 1.5 to 4 seconds. The door slams at 2s, 2.5 s for 1 s."
    )
    spans = {span.event: span for span in parse(text, 6.0).temporal.spans}
    assert (spans["s2"].onset, spans["s2"].offset) == (1.5, 4.0)
    assert spans["s1"].hits == (2.0, 2.5)


def test_absurd_numbers_are_only_words() -> None:
    digits = "9" * 400
    text = (
        f"<semantic> Generate a dog barking.\n<temporal> First the dog barks {digits} times at {digits} s.\n"
        f"<spatial> A dog (number {digits}) comes from the left (azimuth {digits}.00 at 0.00 s; distance 0.10)."
    )
    plan = parse(text, 5.0)
    assert plan.onsets() == [0.0]
    assert plan.spatial.prose is not None


def test_events_that_only_time_speaks_of_are_all_there() -> None:
    text = "<temporal> First a dog (the third) once, then a cat (the second) once, and finally a dog twice."
    plan = parse(text, 5.0)
    assert [event.sound for event in plan.semantic.events] == ["a dog"] * 3 + ["a cat"] * 2
    assert [span.event for span in plan.temporal.spans] == ["s3", "s5", "s1"]
    assert plan.render() == text.replace("<t", "<T")


def test_each_named_event_has_its_own_side() -> None:
    text = (
        "<semantic> Generate a car passing, a dog barking.\n"
        "<spatial> The car drives from right to left, far away, while the dog is close on the left. "
        "Right at the end the dog goes to the middle."
    )
    car, dog = parse(text, 5.0).spatial.places
    assert (car.way(), car.distance) == (["right", "center", "left"], 0.8)
    assert (dog.way(), dog.distance) == (["left", "center"], 0.1)


@pytest.mark.parametrize(
    ("prose", "expected"),
    [
        ("A noisy, muffled recording, very quiet.", (("noise", "dull"), "quiet", "dry")),
        ("Free of hum, without distortion, echoing in a cathedral; powerful.", ((), "loud", "hall")),
    ],
)
def test_aesthetic_words(prose: str, expected: tuple[object, ...]) -> None:
    thought = lift.aesthetic(prose)
    assert (thought.flaws, thought.loudness, thought.room) == expected


def test_a_caption_without_tags_is_the_semantic_paragraph() -> None:
    plan = parse("Generate birds singing; avoid music.", 5.0)
    assert plan.render("plain") == "Generate birds singing; avoid music."
    assert plan.semantic.events[0].sound == "birds singing"
    assert plan.semantic.avoid == ("music",)


def test_a_tag_may_follow_a_tag() -> None:
    plan = parse("<temporal> **Aesthetic**: Spatial: On the left.", 5.0)
    assert plan.render() == "<Spatial> On the left."


def test_a_missing_paragraph_stays_missing() -> None:
    plan = parse("<Temporal> First it rains.", 5.0)
    assert plan.render() == "<Temporal> First it rains."


def test_what_stands_before_the_tags_is_not_lost() -> None:
    assert parse("A dog barks.\n<spatial> On the left.", 5.0).semantic.prose == "A dog barks."
    noted = parse("Here you are:\n<semantic> A dog barks.", 5.0)
    assert noted.provenance.notes == ("left out what stands before the first tag: Here you are:",)


def test_sentences_of_ours_that_contradict_themselves_stay_prose() -> None:
    text = "<Temporal> First a dog barking from 3.00 to 2.00 s."
    assert parse(text, 5.0).render() == text


def test_one_paragraph_in_other_words_leaves_the_numbers_of_the_rest() -> None:
    ours = two_dogs().paragraphs("numeric") | {"semantic": "Generate two dogs and a storm."}
    plan = parse("\n".join(f"<{name}> {text}" for name, text in ours.items()), 4.0)
    assert plan.paragraphs("numeric") == ours
    assert plan.temporal.prose is None
    assert sorted(event.sound.lower() for event in plan.semantic.events) == [
        "a dog barking", "a dog barking", "rain, wind and hail",
    ]  # fmt: skip


def test_prose_is_said_word_for_word_and_avoids_what_it_must() -> None:
    thought = SemanticThought(avoid=("music",), prose="A dog\nbarks.")
    plan = Plan(duration=1, semantic=thought, temporal=TemporalThought(prose=""))
    assert plan.paragraphs()["semantic"] == "A dog\nbarks. Avoid music."
    assert "<Temporal>" not in plan.render()
    assert plan.without_prose().paragraphs()["temporal"] == "Nothing changes over time."
    odd = Plan(duration=1, semantic=SemanticThought(avoid=('a "b"',), prose='Avoid "a \\"b\\"".'))
    assert odd.paragraphs()["semantic"] == 'Avoid "a \\"b\\"".'
    bare = Plan(duration=1, semantic=SemanticThought(avoid=("3 loud bangs",), prose="Not 3 loud bangs."))
    assert bare.paragraphs()["semantic"] == "Not 3 loud bangs."
    said = thought.model_copy(update={"prose": "A dog, no Music!"})
    assert Plan(duration=1, semantic=said).paragraphs()["semantic"] == "A dog, no Music!"


def test_what_is_to_be_avoided_can_be_taken_out_of_the_prose() -> None:
    thought = SemanticThought(avoid=("music",), prose="A dog barks. Avoid music. It is loud.")
    assert without_avoid(thought) == SemanticThought(prose="A dog barks. It is loud.")


def test_an_event_that_is_added_is_said_in_the_prose() -> None:
    thought = adding(SemanticThought(prose="A dog barks."), [Event(id="p1", sound="rain falling")])
    assert thought.prose == "A dog barks. Also rain falling."
    assert adding(SemanticThought(), thought.events).prose is None


def test_a_file_of_paragraphs_is_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "thoughts.txt"
    path.write_text(two_dogs().render("tagged", "numeric"))
    assert read_text(path).provenance.planner == "thoughts.txt"
    with pytest.raises(InvalidPlan, match="cannot read"):
        read_text(tmp_path / "none.txt")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidPlan, match="UTF-8"):
        read_text(path)
