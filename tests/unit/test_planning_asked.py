"""A language model is asked, checked, told what is wrong, and, if all fails, replaced as the caller chose."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from media_clips import noise, write_clip
from planned_clips import HITS, LATE, SECONDS, answer, film, measured, request

from prismaudio.backends.pretrained import patience
from prismaudio.backends.pretrained.asking import Answer, Enquiry, Film, Footage, Unanswered, public, quoted
from prismaudio.backends.pretrained.patience import Busy, Patience, seconds
from prismaudio.dimensions.lint import lint
from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.planning.asked import AskedPlanner
from prismaudio.planning.base import PlannerFailed, frames_of
from prismaudio.planning.fallback import Fallback
from prismaudio.planning.footage import MOST_PICTURES, encoded, shown
from prismaudio.planning.perception import PerceptionPlanner
from prismaudio.types import Frames


@dataclass
class Scripted:
    """A `VideoModel` that says what it was told to."""

    script: list[str | PrismAudioError]
    held_to_schema: bool = True
    prefers: Footage = "frames"
    hears: bool = True
    name: str = "scripted"
    model: str = "script-1"
    asked: list[Enquiry] = field(default_factory=list)

    def ask(self, enquiry: Enquiry) -> Answer:
        self.asked.append(enquiry)
        said = self.script.pop(0)
        if isinstance(said, PrismAudioError):
            raise said
        return Answer(said, f"{self.model}-2026", 100, 10)


def planned(seer: Scripted, options: dict[str, Any] | None = None, **asked: Any) -> Plan:
    plan = AskedPlanner(seer, **(options or {})).plan(request(**asked))
    assert [finding for finding in lint(plan) if finding.severity == "error"] == []
    return plan


def test_a_right_answer_is_a_signed_plan() -> None:
    seer = Scripted([answer()])
    plan = planned(seer, {"evidence": "told"})
    assert [event.sound for event in plan.semantic.events] == ["a woodpecker drumming", "a tractor driving"]
    assert plan.onsets() == [0.0, 1.3, 2.7, 3.8]
    assert plan.provenance.planner == "scripted"
    assert plan.provenance.versions["model"] == "script-1-2026"
    assert plan.provenance.notes == ("100 tokens read and 10 written",)


def test_the_hash_of_the_prompt_tells_prompts_apart() -> None:
    first, again, other = (
        planned(Scripted([answer()]), hint=hint).provenance.versions["prompt"]
        for hint in ("", "", "a forest")
    )
    assert first == again != other
    assert len(first) == 16


def test_an_unusable_answer_is_answered_with_what_is_wrong() -> None:
    seer = Scripted(["I see a bird.", LATE, answer()])
    plan = planned(seer)
    first, second, third = seer.asked
    assert (first.turns, len(second.turns), len(third.turns)) == ((), 1, 2)
    assert second.turns[0].answer == "I see a bird."
    assert "no paragraph <Semantic>" in second.turns[0].objection
    assert "after the clip's 8.00 s" in third.turns[1].objection
    assert third.footage is first.footage  # looked at once
    assert plan.provenance.notes[0].startswith(
        "3 answers, the last of them usable; the one before: semantic.events.1"
    )
    assert sum(a.read for a in AskedPlanner(Scripted([LATE, answer()])).ask(request()).answers) == 200
    assert "300 tokens read and 30 written" in plan.provenance.notes


def test_two_retries_are_enough() -> None:
    seer = Scripted([LATE, LATE, LATE, answer()])
    with pytest.raises(
        PlannerFailed, match=r"script-1-2026 gave no usable plan in 3 answers .*; try another model"
    ):
        planned(seer)
    assert len(seer.asked) == 3


def test_who_does_not_answer_is_not_asked_again() -> None:
    seer = Scripted([Unanswered("the server is gone"), answer()])
    with pytest.raises(PlannerFailed, match="the server is gone"):
        planned(seer)
    assert len(seer.asked) == 1


def test_measured_numbers_are_kept_if_so_wished() -> None:
    kept = planned(Scripted([answer()]), {"evidence": "kept"})
    assert kept.onsets() == [0.5, *HITS]
    assert "moments and places as measured: a woodpecker drumming, a tractor driving" in kept.provenance.notes
    assert planned(Scripted([answer()]), {"evidence": "told"}).onsets() == [0.0, 1.3, 2.7, 3.8]


def test_measured_numbers_do_not_contradict_the_models_words() -> None:
    """It puts the strike on the right; the picture has it on the left."""
    places = [{"event": "s1", "keys": [{"time": 0, "azimuth": 0.7}], "distance": 0.2}]
    events = [{"id": "s1", "sound": "knocks on the right", "on_screen": True, "confidence": 1}]
    spans = [{"event": "s1", "onset": 1, "offset": 5, "hits": [1, 2.5, 4], "strengths": []}]
    said = answer(
        semantic={"events": events, "ambience": [], "avoid": []},
        temporal={"spans": spans},
        spatial={"places": places},
    )
    assert planned(Scripted([said])).spatial.places[0].way() == ["right"]


def test_evidence_can_be_left_unused() -> None:
    seer = Scripted([answer()])
    assert planned(seer, {"evidence": "unused"}).onsets() == [0.0, 1.3, 2.7, 3.8]
    assert not AskedPlanner(seer, evidence="unused").measures
    assert "Measured" not in seer.asked[0].text


def test_who_cannot_be_held_to_a_schema_is_asked_for_paragraphs() -> None:
    text = planned(Scripted([answer()])).render("tagged", "numeric")
    seer = Scripted([text], held_to_schema=False)
    plan = planned(seer, {"evidence": "told"})
    assert seer.asked[0].schema is None
    assert "<Spatial>" in seer.asked[0].text
    assert plan.render("tagged", "numeric") == text


@pytest.mark.parametrize(("language", "prose"), [("German", False), ("English", True)])
def test_words_in_another_language_are_prose_and_numbers_do_not_contradict_it(
    language: str, prose: bool
) -> None:
    said = {
        "prose": "Ein Specht hackt.",
        "spans": [{"event": "s1", "onset": 1.3, "offset": 4.5, "hits": [1.3, 2.7, 3.8]}],
    }
    events = [{"id": "s1", "sound": "ein Specht", "on_screen": True, "confidence": 1}]
    full = answer(
        semantic={"prose": "Ein Specht.", "events": events},
        temporal=said,
        spatial={"prose": "Links.", "places": []},
    )
    for held in (True, False):
        seer = Scripted([full], held_to_schema=held)
        plan = planned(seer, {"prose": prose}, language=language)
        assert plan.temporal.prose == "Ein Specht hackt."
        assert plan.onsets() == [1.3, 2.7, 3.8]
        assert (seer.asked[0].schema is not None) is held
        assert ("schema: " in seer.asked[0].text) is not held


def test_what_is_to_be_avoided_is_left_out_and_said() -> None:
    plan = planned(Scripted([answer()]), avoid=("wind", "tractors"))
    assert [event.sound for event in plan.semantic.events] == ["a woodpecker drumming"]
    assert plan.semantic.avoid == ("wind", "tractors")
    assert plan.semantic.ambience == ()
    assert "left out what is to be avoided: a tractor driving, wind in leaves" in plan.provenance.notes


# Falling back ----------------------------------------------------------------------------------


def test_a_second_planner_takes_over_and_says_why() -> None:
    planner = Fallback("scripted", AskedPlanner(Scripted([Unanswered("no network")])), PerceptionPlanner())
    plan = planner.plan(request())
    assert plan.onsets() == measured().plan.onsets()
    assert plan.provenance.planner == "embedded-planner"
    assert plan.provenance.notes == ("by embedded, because scripted failed: no network",)


def test_a_planner_that_could_not_be_made_is_replaced_too() -> None:
    planner = Fallback("gemini", PlannerFailed("no key"), PerceptionPlanner())
    assert planner.plan(request()).provenance.notes == ("by embedded, because gemini failed: no key",)
    assert planner.measures


def test_a_first_planner_that_works_needs_no_second() -> None:
    planner = Fallback("scripted", AskedPlanner(Scripted([answer()]), evidence="unused"), PerceptionPlanner())
    assert planner.plan(request()).provenance.planner == "scripted"
    assert planner.measures  # for the second


# Footage ---------------------------------------------------------------------------------------


def test_pictures_are_few_small_and_evenly_spread() -> None:
    wide = Frames(np.zeros((50, 200, 1000, 3), np.uint8), 25.0)
    frames = shown(request(duration=2.0, frames=frames_of(wide, 2.0)), "frames")
    assert isinstance(frames, Frames)
    assert (len(frames.images), frames.fps) == (8, 4.0)
    assert frames.images.shape[1:3] == (102, 512)
    minute = shown(request(duration=60.0, frames=frames_of(wide, 60.0)), "frames")
    assert isinstance(minute, Frames)
    assert len(minute.images) == MOST_PICTURES
    assert minute.duration == pytest.approx(60)


def test_a_film_is_a_silent_copy_of_the_clip_alone(tmp_path: Path) -> None:
    odd = Frames(np.stack(noise(20, 65, 47)), 8.0)
    path = tmp_path / "film.mp4"
    path.write_bytes(encoded(odd))
    with av.open(path) as file:
        assert not file.streams.audio
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        assert float(file.streams.video[0].average_rate or 0) == pytest.approx(8)
    assert (len(pictures), pictures[0].shape) == (20, (46, 64, 3))
    seer = Scripted([answer()], prefers="video")
    planned(seer)
    footage = seer.asked[0].footage
    assert isinstance(footage, Film)
    assert (footage.mime, footage.fps) == ("video/mp4", 8.0)
    assert footage.size() < 50_000


def test_the_file_itself_goes_only_to_who_listens(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mov", noise(5))
    seer = Scripted([answer()])
    planned(seer, {"listening": True}, video=path)
    footage = seer.asked[0].footage
    assert isinstance(footage, Film)
    assert (footage.read(), footage.mime, footage.size()) == (
        path.read_bytes(),
        "video/quicktime",
        path.stat().st_size,
    )
    assert "with its sound" in seer.asked[0].text
    for video, told in ((None, "came from memory"), (tmp_path / "clip.gif", "convert it to one of .mp4")):
        with pytest.raises(PlannerFailed, match=told):
            planned(Scripted([answer()]), {"listening": True}, video=video)


def test_the_frames_of_a_file_and_of_memory_are_alike(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", list(film().images))
    from_file, from_memory = (shown(request(frames=frames_of(v, SECONDS)), "frames") for v in (path, film()))
    assert isinstance(from_file, Frames)
    assert isinstance(from_memory, Frames)
    assert from_file.images.shape == from_memory.images.shape
    difference = np.abs(from_file.images.astype(int) - from_memory.images).mean()
    assert difference < 3


# Patience --------------------------------------------------------------------------------------


def busy(*waits: float | None) -> Any:
    """A request that is refused so many times."""
    left = list(waits)

    def request() -> str:
        if left:
            raise Busy("too busy", left.pop(0))
        return "done"

    return request


def test_a_busy_server_is_asked_again_ever_later(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", slept.append)
    assert Patience(tries=4, pause=0.5).ask(busy(None, None, 7.0)) == "done"
    assert slept == [0.5, 1.0, 7.0]
    with pytest.raises(Unanswered, match=r"too busy \(asked 3 times\)"):
        Patience().ask(busy(None, None, None))


def test_who_wants_a_long_rest_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience.time, "sleep", lambda _: pytest.fail("slept"))
    with pytest.raises(Unanswered, match=r"too busy \(asked once\)"):
        Patience().ask(busy(3600.0))


@pytest.mark.parametrize(
    ("header", "wait"), [("3", 3.0), ("0.5", 0.5), (None, None), ("Wed, 21 Oct 2026", None), ("-1", None)]
)
def test_a_header_may_tell_how_long(header: str | None, wait: float | None) -> None:
    assert seconds(header) == wait


def test_what_a_server_says_is_quoted_short_on_one_line_and_without_the_key() -> None:
    said = quoted("bad key sk-1234\n of  sk-1234!" + "x" * 999, "sk-1234", "")
    assert said.startswith("bad key *** of ***!xxx")
    assert len(said) <= 203


def test_an_address_is_told_without_what_opens_it() -> None:
    assert public("https://me:secret@host.example:8000/v1/?key=secret") == "https://host.example:8000/v1"
