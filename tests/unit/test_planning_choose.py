"""A name chooses a planner; what it lacks is said in one line; wishes that a planner cannot grant are noted."""

from pathlib import Path
from typing import Any

import pytest
from planned_clips import HITS, SECONDS, answer, measured, request

from prismaudio.config import BadConfig
from prismaudio.dimensions.parse import parse
from prismaudio.dimensions.plan import InvalidPlan, Plan
from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.planning import choose
from prismaudio.planning.asked import AskedPlanner
from prismaudio.planning.base import PlannerFailed
from prismaudio.planning.caption import CaptionPlanner
from prismaudio.planning.choose import PLANNERS, PlannerOptions, addressed, choose_planner
from prismaudio.planning.fallback import Fallback
from prismaudio.planning.perception import PerceptionPlanner, known_sounds
from prismaudio.planning.wire import read
from prismaudio.planning.wishes import avoiding
from prismaudio.planning.written import FilePlanner


class Seer:
    """Stands for a model that was made with these arguments."""

    hears = False

    def __init__(self, *made_with: Any) -> None:
        self.made_with = made_with

    @classmethod
    def from_pretrained(cls, *made_with: Any) -> "Seer":
        return cls(*made_with)


class OlderSeer(Seer):
    """Stands for a VideoLLaMA2."""


@pytest.fixture
def seers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VideoLLM", "OpenAIServer", "Gemini"):
        monkeypatch.setattr(choose, name, Seer)
    monkeypatch.setattr(choose, "VideoLLaMA2", OlderSeer)
    monkeypatch.setattr(choose, "is_videollama2", lambda source: source.startswith("DAMO-NLP-SG/"))


def test_names_without_a_model_are_planners() -> None:
    assert isinstance(choose_planner("embedded"), PerceptionPlanner)
    caption, file = choose_planner("caption: a dog barks: twice"), choose_planner("file:a:b.yaml")
    assert isinstance(caption, CaptionPlanner)
    assert isinstance(file, FilePlanner)
    assert (caption.text, file.path) == ("a dog barks: twice", Path("a:b.yaml"))


@pytest.mark.parametrize(
    ("name", "made_with"),
    [
        ("local", (choose.HUB_ID, None, "auto")),
        ("local:Qwen/Qwen3-VL-8B-Instruct", ("Qwen/Qwen3-VL-8B-Instruct", None, "auto")),
        ("local:DAMO-NLP-SG/VideoLLaMA2.1-7B-16F", ("DAMO-NLP-SG/VideoLLaMA2.1-7B-16F", None, "auto")),
        ("openai:gpt-x", ("gpt-x", None)),
        ("openai:Qwen/Qwen3-VL@http://h:8000/v1", ("Qwen/Qwen3-VL", "http://h:8000/v1")),
        ("openai:me/mine@main@https://user:pw@h/v1", ("me/mine@main", "https://user:pw@h/v1")),
        ("gemini", (choose.MODEL, None)),
        ("gemini:gemini-x", ("gemini-x", None)),
        ("gemini:@http://proxy", (choose.MODEL, "http://proxy")),
    ],
)
@pytest.mark.usefixtures("seers")
def test_names_with_a_model_ask_that_model(name: str, made_with: tuple[Any, ...]) -> None:
    planner = choose_planner(name, PlannerOptions(timeout=7, evidence="told", footage="frames", prose=True))
    assert isinstance(planner, AskedPlanner)
    assert isinstance(planner.seer, Seer)
    assert isinstance(planner.seer, OlderSeer) is ("VideoLLaMA2" in name)
    assert planner.seer.made_with[: len(made_with)] == made_with
    assert (planner.evidence, planner.footage, planner.prose, planner.listening) == (
        "told",
        "frames",
        True,
        False,
    )
    if not name.startswith("local"):
        assert planner.seer.made_with[2].timeout == 7


def test_a_model_may_have_an_at_in_its_name() -> None:
    assert addressed("a/b@v2") == ("a/b@v2", None)
    assert addressed("a@httpd@http://h") == ("a@httpd", "http://h")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("magic", "unknown planner 'magic'; choose one of: " + ", ".join(PLANNERS)),
        ("", "unknown planner ''"),
        ("file", "needs a plan file"),
        ("caption:", "needs a sentence"),
        ("openai", "needs a model, and the address"),
    ],
)
def test_what_a_name_lacks_is_said(name: str, told: str) -> None:
    with pytest.raises((UnknownChoice, PlannerFailed)) as error:
        choose_planner(name)
    assert told in str(error.value)


@pytest.mark.usefixtures("seers")
def test_who_cannot_hear_is_not_asked_to_listen() -> None:
    with pytest.raises(PlannerFailed, match="hears nothing; take gemini"):
        choose_planner("openai:x", PlannerOptions(listen=True))
    with pytest.raises(BadConfig, match="frames have no sound"):
        PlannerOptions.parse({"listen": True, "footage": "frames"}, source="options")
    with pytest.raises(PlannerFailed, match="plays no files"):
        choose_planner("local", PlannerOptions(footage="video"))


def test_a_planner_that_cannot_be_made_gives_way_only_to_a_chosen_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_key(*_: Any) -> None:
        raise PlannerFailed("no key for Gemini; set GEMINI_API_KEY")

    monkeypatch.setattr(choose, "Gemini", no_key)
    with pytest.raises(PrismAudioError, match="no key"):
        choose_planner("gemini")
    planner = choose_planner("gemini", PlannerOptions(fallback="embedded"))
    assert isinstance(planner, Fallback)
    assert planner.plan(request()).provenance.notes == (
        "by embedded, because gemini failed: no key for Gemini; set GEMINI_API_KEY",
    )
    with pytest.raises(UnknownChoice, match="embeded"):
        choose_planner("gemini", PlannerOptions(fallback="embeded"))


# The planners that ask nobody ------------------------------------------------------------------


def test_the_embedded_planner_hands_on_what_was_measured() -> None:
    assert PerceptionPlanner().plan(request()) == measured().plan
    with pytest.raises(PlannerFailed, match="nothing was measured"):
        PerceptionPlanner().plan(request(evidence=None))


def test_a_hint_names_what_the_embedded_planner_is_unsure_of() -> None:
    plan = PerceptionPlanner().plan(request(hint="my drums, behind the piano"))
    assert [event.sound for event in plan.semantic.events] == ["a drum being hit", "a car engine running"]
    assert plan.semantic.events[0].confidence == 1.0
    assert plan.onsets() == measured().plan.onsets()
    assert plan.provenance.notes == ("from the hint: s1 is a drum being hit",)


def test_a_hint_does_not_name_twice_what_is_known() -> None:
    plan = PerceptionPlanner().plan(request(hint="a car engine and drums"))
    assert [event.label for event in plan.semantic.events] == ["drum", "car_engine"]


@pytest.mark.parametrize("hint", ["my kitchen", "a quasar"])
def test_a_hint_that_names_no_known_sound_is_noted(hint: str) -> None:
    plan = PerceptionPlanner().plan(request(hint=hint))
    assert plan.semantic == measured().plan.semantic
    assert "the hint changed nothing" in plan.provenance.notes[0]


def test_sounds_are_known_by_their_names_in_the_order_of_the_text() -> None:
    assert [word.name for word in known_sounds("pianos, then dogs and a car horn")] == [
        "piano",
        "dog",
        "car_horn",
    ]
    assert known_sounds("") == []


def test_only_language_models_translate_and_others_say_so() -> None:
    for planner in (PerceptionPlanner(), CaptionPlanner("a woodpecker")):
        notes = planner.plan(request(language="German")).provenance.notes
        assert "the words are not in German: only language models translate" in notes


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    own = read(answer(), SECONDS)
    own.save(tmp_path / "p.yaml")
    (tmp_path / "p.txt").write_text(own.render("tagged", "numeric"))
    assert FilePlanner(tmp_path / "p.yaml").plan(request()) == own
    text = FilePlanner(tmp_path / "p.txt").plan(request(evidence=None))
    assert text == parse(own.render("tagged", "numeric"), SECONDS, planner="p.txt")
    noted = FilePlanner(tmp_path / "p.yaml").plan(request(hint="x", avoid=("tractor",)))
    assert noted.provenance.notes == (
        "the hint was not used: only language models read it",
        "left out what is to be avoided: a tractor driving",
    )
    with pytest.raises(InvalidPlan, match="check the path"):
        FilePlanner(tmp_path / "none.yaml").plan(request())


def test_a_file_about_another_video_is_noted(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    (tmp_path / "b.mp4").write_bytes(b"b")
    read(answer(), SECONDS).about(tmp_path / "a.mp4", planner="me").save(tmp_path / "p.yaml")
    planner = FilePlanner(tmp_path / "p.yaml")
    assert planner.plan(request(video=tmp_path / "a.mp4")).provenance.notes == ()
    assert (
        "for another video than b.mp4" in planner.plan(request(video=tmp_path / "b.mp4")).provenance.notes[0]
    )


def test_what_is_to_be_avoided_has_no_event_and_no_prose() -> None:
    own = CaptionPlanner("hammers, a tractor").plan(request())
    plan = avoiding(own, ["hammer"])
    assert [event.sound for event in plan.semantic.events] == ["a tractor"]
    assert (
        {span.event for span in plan.temporal.spans}
        == {place.event for place in plan.spatial.places}
        == {"s2"}
    )
    assert plan.semantic.prose is None
    assert "hammer" not in plan.render().replace("Avoid hammer.", "")
    kept = avoiding(own, ["speech"])
    assert kept.semantic.prose == own.semantic.prose
    assert avoiding(own, []) is own
    assert set(HITS) <= set(own.onsets())


def test_plans_of_all_these_can_be_saved(tmp_path: Path) -> None:
    for planner in (PerceptionPlanner(), CaptionPlanner("a woodpecker")):
        plan = planner.plan(request(avoid=("music",)))
        plan.save(tmp_path / "p.yaml")
        assert Plan.load(tmp_path / "p.yaml") == plan


@pytest.mark.parametrize("kind", ["student", "combined"])
def test_kinds_of_the_embedded_planner_go_by_their_names(kind: str) -> None:
    planner = choose_planner(f"embedded:{kind}")
    assert planner.name == f"embedded:{kind}"
    assert planner.measures


def test_an_unknown_kind_of_the_embedded_planner_is_refused() -> None:
    with pytest.raises(UnknownChoice, match="'teacher'; choose one of: perception, student, combined"):
        choose_planner("embedded:teacher")
