"""`prismaudio plan` on files: what contradicts itself is told, as are differences, and texts become plans."""

import json
from pathlib import Path

import pytest
import yaml
from command import Command

from prismaudio.dimensions.diff import diff
from prismaudio.dimensions.plan import Plan

DOG = """
duration: 4
semantic: {events: [{id: dog, sound: a dog barking}]}
temporal: {spans: [{event: dog, onset: 1, offset: 2, hits: [1]}]}
spatial: {places: [{event: dog, keys: [[0, -0.8]]}]}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(DOG)
    return path


@pytest.fixture
def edited(plan: Path) -> Path:
    path = plan.with_name("edited.yaml")
    path.write_text(DOG.replace("-0.8", "0.8").replace("hits: [1]", "hits: [1.5]"))
    return path


def test_a_sound_plan_passes(prismaudio: Command, plan: Path):
    assert prismaudio("plan", "--check", plan) == (0, "nothing to mend\n", "")


def test_a_contradiction_ends_with_exit_code_1(prismaudio: Command, plan: Path):
    plan.write_text(DOG.replace("offset: 2", "offset: 9"))
    outcome = prismaudio("plan", "--check", plan)
    assert outcome.code == 1
    assert outcome.out.startswith("temporal   error: temporal.spans.0.offset: ")
    assert outcome.err == f"prismaudio: {plan}: 1 error; mend what is said above, and check again\n"


def test_a_warning_does_not(prismaudio: Command, plan: Path):
    plan.write_text(DOG.replace("barking}", "barking, confidence: 0.1}"))
    outcome = prismaudio("plan", "--check", plan, "--format", "json")
    assert outcome.code == 0
    (finding,) = json.loads(outcome.out)
    assert (finding["severity"], finding["field"]) == ("warning", "semantic.events.0.confidence")


def test_a_plan_of_another_video_is_told(prismaudio: Command, plan: Path, clip: Path):
    plan.write_text(DOG + f"provenance: {{planner: me, video_sha256: {'a' * 64}}}\n")
    outcome = prismaudio("plan", clip, "--check", plan)
    assert outcome.code == 0
    assert "the video lasts 2.00 s" in outcome.out
    assert "another video than clip.mp4" in outcome.err


def test_differences_are_told_by_dimension(prismaudio: Command, plan: Path, edited: Path):
    assert prismaudio("plan", "--diff", plan, edited).out.splitlines() == [
        "temporal   a dog barking: hit 1.00 s -> 1.50 s",
        "spatial    a dog barking: left -> right",
    ]
    assert prismaudio("plan", "--diff", plan, plan).out == "no difference\n"
    hit, _ = yaml.safe_load(prismaudio("plan", "--diff", plan, edited, "--format", "yaml").out)
    assert (hit["field"], hit["before"], hit["after"]) == ("hit", 1.0, 1.5)


def test_a_plan_is_shown_as_a_model_reads_it(prismaudio: Command, plan: Path):
    told = prismaudio("plan", "--read", plan, "--timing", "numeric")
    assert told.out.splitlines()[1] == "<Temporal> First a dog barking once at 1.00 s (1.00 to 2.00 s)."
    assert "<" not in prismaudio("plan", "--read", plan, "--style", "plain").out
    assert "<Spatial>" not in prismaudio("plan", "--read", plan, "--arm", "without-spatial").out
    assert prismaudio("plan", "--read", plan, "--arm", "none").out.strip() == ""
    assert "choose one of: none, random" in prismaudio("plan", "--read", plan, "--arm", "half").err
    assert prismaudio("plan", "--read", plan).out.startswith(
        "semantic   Generate the sound of a dog barking."
    )


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_a_plan_is_printed_as_a_file(prismaudio: Command, plan: Path, tmp_path: Path, kind: str):
    out = tmp_path / f"out.{kind}"
    outcome = prismaudio("plan", "--read", plan, "--format", kind, "-o", out)
    assert outcome.out == out.read_text()
    assert outcome.err == f"wrote {out}\n"
    assert Plan.load(out) == Plan.load(plan)


def test_paragraphs_become_a_plan(prismaudio: Command, plan: Path, tmp_path: Path):
    text, out = tmp_path / "thoughts.txt", tmp_path / "new.yaml"
    text.write_text(prismaudio("plan", "--read", plan, "--timing", "numeric").out)
    assert prismaudio("plan", "--read", text, "--duration", 4, "-o", out).code == 0
    changed = {change.field for change in diff(Plan.load(plan), Plan.load(out))}
    assert changed == {"planner"}
    text.write_text("A dog barks.")
    assert "give the duration" in prismaudio("plan", "--read", text).err


def test_one_thing_at_a_time(prismaudio: Command, plan: Path):
    assert prismaudio("plan").code == 2
    assert prismaudio("plan", "--check", plan, "--read", plan).code == 2
    assert "choose another name" in prismaudio("plan", "--read", plan, "-o", plan).err


@pytest.mark.slow
def test_a_plan_is_signed_for_its_video(prismaudio: Command, clip: Path):
    assert prismaudio("plan", clip).code == 0
    plan = Plan.load(clip.with_name("clip.plan.yaml"))
    assert plan.mismatch(clip) is None
    assert set(plan.provenance.versions) == {"prismaudio"}
    assert prismaudio("plan", clip, "--check", clip.with_name("clip.plan.yaml")).code == 0
