"""The arms of the ablation: what each leaves out is gone from text and numbers, and nothing else is."""

from collections import Counter

import pytest
from plans import consistent

from prismaudio.dimensions.arms import UNNAMED, Arm, arm_named, arm_plan, arm_text, dealt, sentences, tell
from prismaudio.dimensions.plan import DIMENSIONS, Plan
from prismaudio.dimensions.window import window
from prismaudio.errors import UnknownChoice

PLANS = [consistent(seed) for seed in range(30)]
SEVERAL = [plan for plan in PLANS if len(plan.semantic.events) > 1]
LEAVE_OUT = {name: Arm(f"without-{name}") for name in DIMENSIONS}


def paragraphs(text: str) -> dict[str, str]:
    lines = [line.split("> ", 1) for line in text.splitlines()]
    return {tag[1:].lower(): rest for tag, rest in lines}


def test_none_is_empty() -> None:
    assert {tell(plan, Arm.NONE) for plan in PLANS} == {("", None)}


def test_decomposed_is_the_plan() -> None:
    assert all(tell(plan, Arm.DECOMPOSED) == (plan.render(), plan) for plan in PLANS)


def test_monolithic_is_one_paragraph_of_the_same_words_without_numbers() -> None:
    for plan in PLANS:
        told = tell(plan, Arm.MONOLITHIC, timing="ordinal")
        assert told == (" ".join(plan.paragraphs().values()), None)
        assert "\n" not in told.text
        assert "<" not in told.text


@pytest.mark.parametrize("timing", ["ordinal", "numeric"])
def test_random_keeps_the_sentences_and_their_number_under_each_heading(timing: str) -> None:
    for seed, plan in enumerate(PLANS):
        before = plan.paragraphs(timing)  # type: ignore[arg-type]
        after = paragraphs(arm_text(plan, Arm.RANDOM, seed, timing=timing))  # type: ignore[arg-type]
        assert list(after) == list(DIMENSIONS)
        assert after != before
        assert Counter(s for text in after.values() for s in sentences(text)) == Counter(
            s for text in before.values() for s in sentences(text)
        )
        assert [len(sentences(text)) for text in after.values()] == [
            len(sentences(text)) for text in before.values()
        ]


def test_random_deals_every_place_in_the_long_run() -> None:
    hands = dict(zip(DIMENSIONS, ["A.", "B.", "C.", "D."], strict=True))
    seen = {dealt(hands, seed)["semantic"] for seed in range(60)}
    assert seen == {"A.", "B.", "C.", "D."}


def test_random_gives_spans_and_places_to_other_events() -> None:
    assert len(SEVERAL) > 10
    for seed, plan in enumerate(SEVERAL):
        wrong = arm_plan(plan, Arm.RANDOM, seed)
        assert wrong is not None
        assert wrong.semantic == plan.semantic
        assert wrong != plan
        for thought, items in (("temporal", "spans"), ("spatial", "places")):
            before, after = getattr(getattr(plan, thought), items), getattr(getattr(wrong, thought), items)
            assert [item.event for item in before] != [item.event for item in after]
            nobody = {"event": "x"}
            assert [i.model_copy(update=nobody) for i in before] == [
                i.model_copy(update=nobody) for i in after
            ]


def test_what_is_said_of_one_event_stays_true_of_it() -> None:
    plan = next(plan for plan in PLANS if len(plan.semantic.events) == 1)
    assert arm_plan(plan, Arm.RANDOM) == plan


def test_seeds_differ_and_repeat() -> None:
    takes = [tell(SEVERAL[0], Arm.RANDOM, seed) for seed in range(8)]
    assert takes == [tell(SEVERAL[0], Arm.RANDOM, seed) for seed in range(8)]
    assert len({take.text for take in takes}) > 1


@pytest.mark.parametrize("left_out", DIMENSIONS)
def test_leaving_one_out_leaves_the_other_three(left_out: str) -> None:
    for plan in PLANS:
        told = tell(plan, LEAVE_OUT[left_out])
        assert told.numbers is not None
        assert list(paragraphs(told.text)) == [name for name in DIMENSIONS if name != left_out]
        assert told.text == told.numbers.render()
        changed = {name for name in DIMENSIONS if getattr(told.numbers, name) != getattr(plan, name)}
        assert changed == {left_out}
        kept = paragraphs(plan.render())
        for name, text in paragraphs(told.text).items():
            assert text == kept[name] or left_out == "semantic"


def test_without_semantics_no_sound_is_named_anywhere() -> None:
    for plan in PLANS:
        told = tell(plan, Arm.WITHOUT_SEMANTIC)
        assert told.numbers is not None
        assert not any(sound in told.text for sound in plan.sounds().values())
        assert set(told.numbers.sounds().values()) == {UNNAMED}
        assert told.numbers.temporal == plan.temporal
        assert told.numbers.semantic.ambience == told.numbers.semantic.avoid == ()


def test_without_semantics_prose_does_not_name_them_either() -> None:
    plan = PLANS[0]
    spoken = plan.model_copy(
        update={
            "temporal": plan.temporal.model_copy(update={"prose": "First the gong."}),
            "spatial": plan.spatial.model_copy(update={"prose": "The gong is left.", "places": ()}),
        }
    )
    text = arm_text(spoken, Arm.WITHOUT_SEMANTIC)
    assert "gong" not in text
    assert list(paragraphs(text)) == ["temporal", "aesthetic"]


def test_without_time_everything_sounds_throughout() -> None:
    for plan in PLANS:
        told = arm_plan(plan, Arm.WITHOUT_TEMPORAL)
        assert told is not None
        assert {(s.onset, s.offset, s.hits) for s in told.temporal.spans} == {(0.0, plan.duration, ())}
        assert {s.event for s in told.temporal.spans} == {s.event for s in plan.temporal.spans}


def test_without_space_nothing_has_a_place() -> None:
    told = arm_plan(PLANS[0], Arm.WITHOUT_SPATIAL)
    assert told is not None
    assert told.spatial.places == ()


def test_an_arm_of_a_stretch_is_told_like_any_plan() -> None:
    plan: Plan = window(SEVERAL[0], 0.5, 1.0)
    assert tell(plan, Arm.WITHOUT_SPATIAL).text.count("<") <= 3


def test_names_of_arms() -> None:
    assert [arm_named(arm.value) for arm in Arm] == list(Arm)
    with pytest.raises(UnknownChoice, match="without-spatial"):
        arm_named("half")
