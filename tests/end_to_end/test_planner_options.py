"""Who thinks is chosen on the command line, is told what the user knows and wants, and may be replaced when it fails."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Command
from planner_servers import KEY, OpenAI, Reply, Server, running

from prismaudio.backends.pretrained import openai_server
from prismaudio.dimensions.plan import Plan

ANSWER = json.dumps(
    {
        "semantic": {
            "events": [
                {"id": "s1", "sound": "a woodpecker drumming", "on_screen": True, "confidence": 0.9},
                {"id": "s2", "sound": "piano music", "on_screen": False, "confidence": 0.9},
            ],
            "ambience": [],
            "avoid": [],
        },
        "temporal": {
            "spans": [
                {"event": "s1", "onset": 0.4, "offset": 1.6, "hits": [0.4, 1.2], "strengths": []},
                {"event": "s2", "onset": 0.0, "offset": 2.0, "hits": [], "strengths": []},
            ]
        },
        "aesthetic": {"quality": 1, "flaws": [], "loudness": "balanced", "room": "hall"},
        "spatial": {"places": [{"event": "s1", "keys": [{"time": 0.4, "azimuth": -0.7}], "distance": 0.2}]},
    }
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    pytest.importorskip("openai", reason="the extra 'planners' is not installed")
    monkeypatch.setenv(openai_server.KEY, KEY)
    with running(Server(OpenAI)) as server:
        yield server


def name_of(server: Server) -> str:
    return f"openai:tiny-vl@{server.url}/v1"


def test_a_language_model_is_told_the_users_wishes_and_its_plan_is_played(
    prismaudio: Command, clip: Path, tmp_path: Path, server: Server
):
    server.script = [ANSWER]
    outcome = prismaudio(
        *("generate", clip, "--planner", name_of(server), "--planner-set", "evidence=unused"),
        *("--hint", "a forest", "--avoid", "music, speech", "--save-plan", tmp_path / "p.yaml", "--steps", 2),
    )
    assert outcome.code == 0, outcome.err
    question = json.dumps(server.asked[0])
    assert "a forest" in question
    assert "music, speech" in question
    plan = Plan.load(tmp_path / "p.yaml")
    assert [event.sound for event in plan.semantic.events] == ["a woodpecker drumming"]
    assert plan.semantic.avoid == ("music", "speech")
    assert plan.onsets() == [0.4, 1.2]
    assert "left out what is to be avoided: piano music" in outcome.err
    assert KEY not in outcome.err + outcome.out


def test_takes_and_copies_of_a_wish_are_asked_once(
    prismaudio: Command, clip: Path, tmp_path: Path, server: Server
):
    server.script = [ANSWER]
    outcome = prismaudio(
        "generate", clip, "-o", tmp_path / "out", "--takes", 2, "--planner", name_of(server), "--steps", 2
    )
    assert outcome.code == 0, outcome.err
    assert len(server.asked) == 1
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_planner_that_fails_gives_no_plan_and_no_file(prismaudio: Command, clip: Path, server: Server):
    server.script = [Reply(400, {"error": {"message": "too long", "type": "x", "param": None, "code": None}})]
    outcome = prismaudio("plan", clip, "--planner", name_of(server))
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("prismaudio: ")
    assert "too long" in outcome.err
    assert not clip.with_name("clip.plan.yaml").exists()


def test_with_a_fallback_the_other_takes_over_and_says_so(prismaudio: Command, clip: Path, server: Server):
    server.script = ["no plan at all"] * 3
    outcome = prismaudio("plan", clip, "--planner", name_of(server), "--fallback", "embedded")
    assert outcome.code == 0
    assert "note: by embedded, because openai failed" in outcome.err
    assert len(server.asked) == 3  # the first answer, and two more after being told what was wrong
    assert Plan.load(clip.with_name("clip.plan.yaml")).provenance.notes


def test_a_caption_keeps_its_words_and_takes_measured_moments(prismaudio: Command, clip: Path):
    prismaudio("plan", clip, "-o", clip.with_name("seen.yaml"))
    outcome = prismaudio("plan", clip, "--planner", "caption:a parrot knocking on a cage")
    assert outcome.code == 0, outcome.err
    seen, plan = Plan.load(clip.with_name("seen.yaml")), Plan.load(clip.with_name("clip.plan.yaml"))
    assert plan.semantic.prose == "a parrot knocking on a cage"
    assert plan.onsets() == seen.onsets()


def test_languages_are_for_language_models(prismaudio: Command, clip: Path, server: Server):
    embedded = prismaudio("plan", clip, "--language", "German", "-f")
    assert "note: the words are not in German: only language models translate" in embedded.err
    server.script = [ANSWER] * 3
    prismaudio("plan", clip, "--language", "German", "-f", "--planner", name_of(server))
    assert "Write all words in German." in json.dumps(server.asked[0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--planner", "oracle"), "unknown planner 'oracle'; choose one of: embedded, file, caption"),
        (("--planner", "openai"), "the planner 'openai' needs a model"),
        (("--planner", "caption:"), "the planner 'caption' needs a sentence"),
        (("--planner", "file:nowhere.yaml"), "nowhere.yaml"),
        (("--planner-set", "lissten=true"), "--planner-set: lissten: Extra inputs are not permitted"),
        (("--planner-set", "listen"), "--planner-set 'listen' has no '='"),
        (("--planner", "embedded", "--fallback", "oracle"), "unknown planner 'oracle'"),
    ],
)
def test_mistakes_are_told_in_one_line(
    prismaudio: Command, clip: Path, arguments: tuple[str, ...], said: str
):
    outcome = prismaudio("plan", clip, *arguments)
    assert outcome.code == 1
    assert said in outcome.err.splitlines()[-1]
    assert not clip.with_name("clip.plan.yaml").exists()
