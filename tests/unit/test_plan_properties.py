"""What holds of every plan: files and texts give back what was put in, and consistent plans have nothing to mend."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plans import consistent, plans

from prismaudio.dimensions.arms import Arm, arm_text, tell
from prismaudio.dimensions.diff import diff
from prismaudio.dimensions.lint import lint
from prismaudio.dimensions.parse import parse
from prismaudio.dimensions.plan import DIMENSIONS, Plan, Style, Timing
from prismaudio.dimensions.spatial import LONGEST_WAY
from prismaudio.dimensions.temporal import TemporalThought
from prismaudio.dimensions.window import window

some = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
styles = st.sampled_from(["tagged", "plain"])
timings = st.sampled_from(["ordinal", "numeric"])


@pytest.mark.parametrize("ending", ["yaml", "json"])
@some
@given(plan=plans())
def test_a_file_holds_exactly_the_plan(plan: Plan, ending: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"plan.{ending}"
        plan.save(path)
        again = Plan.load(path)
    assert again == plan
    assert again.provenance.written == plan.provenance.written  # which equality leaves out


@some
@given(plan=plans(), style=styles, timing=timings)
def test_text_read_back_says_the_same(plan: Plan, style: Style, timing: Timing) -> None:
    text = plan.render(style, timing)
    assert parse(text, plan.duration).render(style, timing) == text


@some
@given(plan=plans(), timing=timings)
def test_text_without_prose_is_understood_to_the_last_word(plan: Plan, timing: Timing) -> None:
    """Reading back into prose would say the same as well; here every sentence must become a thought."""
    text = plan.without_prose().render("tagged", timing)
    again = parse(text, plan.duration)
    assert again.without_prose() == again
    assert again.render("tagged", timing) == text


@some
@given(plan=plans())
def test_a_plan_does_not_differ_from_itself(plan: Plan) -> None:
    assert diff(plan, plan) == []


@some
@given(plan=plans(), seconds=st.floats(0.1, 70))
def test_checking_never_fails_whatever_the_plan(plan: Plan, seconds: float) -> None:
    for finding in lint(plan, seconds):
        assert finding.field.split(".")[0] in (*DIMENSIONS, "duration")
        assert "\n" not in finding.advice


@some
@given(plan=plans(), arm=st.sampled_from(list(Arm)), seed=st.integers(0, 5))
def test_an_arm_of_any_plan_is_a_plan(plan: Plan, arm: Arm, seed: int) -> None:
    told = tell(plan, arm, seed)
    assert told == tell(plan, arm, seed)
    if told.numbers is not None:
        assert Plan.model_validate(told.numbers.model_dump()) == told.numbers


@some
@given(plan=plans(), seed=st.integers(0, 5), timing=timings)
def test_the_random_arm_keeps_every_word(plan: Plan, seed: int, timing: Timing) -> None:
    shuffled = arm_text(plan, Arm.RANDOM, seed, "plain", timing)
    assert Counter(shuffled.split()) == Counter(plan.render("plain", timing).split())


@some
@given(text=st.text(max_size=200))
def test_any_text_can_be_read_and_is_kept(text: str) -> None:
    plan = parse(text, 5.0)
    assert parse(plan.render(), 5.0).render() == plan.render()


THOUSAND = pytest.mark.parametrize(
    "seeds", [range(20), pytest.param(range(20, 1000), marks=pytest.mark.slow)], ids=["some", "thousand"]
)


@THOUSAND
def test_files_of_a_thousand_plans_are_exact(seeds: range, tmp_path: Path) -> None:
    for plan in map(consistent, seeds):
        for name in ("plan.yaml", "plan.json"):
            plan.save(tmp_path / name)
            assert Plan.load(tmp_path / name) == plan


@THOUSAND
@pytest.mark.parametrize("style", ["tagged", "plain"])
def test_numeric_text_holds_every_number_but_the_strengths(seeds: range, style: Style) -> None:
    for plan in map(consistent, seeds):
        text = plan.render(style, "numeric")
        again = parse(text, plan.duration)
        assert again.render(style, "numeric") == text
        assert again.semantic == plan.semantic
        assert again.temporal == without_strengths(plan.temporal)
        assert again.aesthetic == plan.aesthetic
        assert again.spatial == plan.spatial


def without_strengths(thought: TemporalThought) -> TemporalThought:
    bare = tuple(span.model_copy(update={"strengths": ()}) for span in thought.spans)
    return TemporalThought(spans=bare)


@THOUSAND
def test_ordinal_text_holds_order_rhythm_and_sides(seeds: range) -> None:
    for plan in map(consistent, seeds):
        text = plan.render("tagged", "ordinal")
        again = parse(text, plan.duration)
        assert again.render("tagged", "ordinal") == text
        assert again.without_prose() == again
        assert [span.event for span in again.temporal.spans] == [span.event for span in plan.temporal.spans]
        assert [len(span.hits) for span in again.temporal.spans] == [
            len(span.hits) for span in plan.temporal.spans
        ]
        for read, place in zip(again.spatial.places, plan.spatial.places, strict=True):
            assert read.way() == place.way() or len(place.way()) > LONGEST_WAY


@THOUSAND
def test_a_consistent_plan_has_nothing_to_mend(seeds: range) -> None:
    for plan in map(consistent, seeds):
        assert lint(plan, plan.duration) == []
        assert not any(
            finding.severity == "error" for finding in lint(window(plan, 0.5, plan.duration - 1), None)
        )
