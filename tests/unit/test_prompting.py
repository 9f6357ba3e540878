"""What a prompt does to a plan."""

import pytest

from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.generation.prompting import apply_prompt, negative_plan, phrases, without_avoid

PLAN = Plan(
    duration=4.0,
    semantic=SemanticThought(
        events=(
            Event(id="s1", sound="a cat", label="cat", confidence=0.4),
            Event(id="s2", sound="a dog", label="dog", confidence=0.9),
        ),
        ambience=("wind",),
    ),
    temporal=TemporalThought(
        spans=(Span(event="s1", onset=1, offset=2), Span(event="s2", onset=2, offset=3, hits=(2.5,)))
    ),
    spatial=SpatialThought(places=(Place(event="s2", keys=(Key(0.0, -0.5),)),)),
)
SILENT = Plan(duration=2.0)


def sounds(plan: Plan) -> list[str]:
    return list(plan.sounds().values())


@pytest.mark.parametrize("nothing", [None, "", "  ", " , ,", "+"])
def test_an_empty_prompt_changes_nothing(nothing: str | None):
    assert apply_prompt(PLAN, nothing, nothing) == PLAN


def test_phrases_stand_between_commas():
    assert phrases(" a dog   barking, +rain ,") == ["a dog barking", "+rain"]


def test_a_plain_prompt_names_the_most_certain_event_and_drops_the_rest():
    plan = apply_prompt(PLAN, "a hammer", None)
    assert sounds(plan) == ["a hammer"]
    assert plan.semantic.ambience == ()
    assert plan.temporal.spans == PLAN.temporal.spans[1:]  # the hit stays where the planner saw it
    assert plan.spatial == PLAN.spatial
    assert plan.semantic.events[0].label is None


def test_phrases_go_to_events_in_the_order_of_certainty():
    assert apply_prompt(PLAN, "first, second", None).sounds() == {"s1": "second", "s2": "first"}


def test_more_phrases_than_events_sound_throughout():
    plan = apply_prompt(PLAN, "one, two, three", None)
    assert sounds(plan) == ["two", "one", "three"]
    assert plan.temporal.spans[-1].onset == 0
    assert plan.temporal.spans[-1].offset == 4.0


def test_without_an_event_a_prompt_sounds_throughout_and_is_on_screen():
    plan = apply_prompt(SILENT, "a fan humming", None)
    assert sounds(plan) == ["a fan humming"]
    assert plan.semantic.events[0].on_screen
    assert plan.temporal.spans == (Span(event="p1", onset=0, offset=2.0),)


def test_plus_only_adds():
    plan = apply_prompt(PLAN, "+ rain", None)
    assert sounds(plan) == ["a cat", "a dog", "rain"]
    assert plan.semantic.ambience == ("wind",)
    assert not plan.semantic.events[-1].on_screen


def test_names_of_added_events_are_new():
    assert list(apply_prompt(apply_prompt(SILENT, "+a", None), "+b, +c", None).sounds()) == ["p1", "p2", "p3"]


def test_a_negative_prompt_is_avoided_once_each():
    plan = apply_prompt(apply_prompt(PLAN, None, "music, speech"), None, "music")
    assert plan.semantic.avoid == ("music", "speech")


def test_the_negative_plan_sustains_what_is_avoided():
    plan = negative_plan(apply_prompt(PLAN, None, "music, speech"))
    assert plan is not None
    assert sounds(plan) == ["music", "speech"]
    assert {(span.onset, span.offset) for span in plan.temporal.spans} == {(0.0, 4.0)}
    assert negative_plan(PLAN) is None


def test_the_transformer_never_reads_what_is_avoided():
    plan = apply_prompt(PLAN, None, "music")
    assert "music" in plan.render()
    assert "music" not in without_avoid(plan).render()


def test_a_prompted_plan_can_be_saved_and_read(tmp_path):
    plan = apply_prompt(PLAN, "a: 'quoted' #phrase, +ünïcode", "music")
    plan.save(tmp_path / "plan.yaml")
    assert Plan.load(tmp_path / "plan.yaml") == plan


def test_prose_of_a_user_follows_what_is_added_and_avoided():
    prose = "Generate the sound of a cat. Avoid music."
    plan = PLAN.model_copy(update={"semantic": PLAN.semantic.model_copy(update={"prose": prose})})
    added = apply_prompt(plan, "+rain falling", "music")
    assert "rain falling" in added.render()
    told = without_avoid(added).render()
    assert "music" not in told
    assert "the sound of a cat" in told
