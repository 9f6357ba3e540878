"""Every planner keeps the promise: a plan that can be heard, signed, and in one line what is wrong if there is none.

The networked ones ask servers on loopback that speak the real protocols.
"""

import base64
import logging
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import planned_clips
import planner_servers as servers
import pytest
from planned_clips import HITS, LATE, SECONDS, answer, film, measured, request
from planner_servers import (
    KEY,
    Gemini,
    OpenAI,
    Reply,
    Server,
    chat_completion,
    generated,
    openai_error,
    running,
)

from prismaudio import PrismAudioError
from prismaudio.backends.pretrained import gemini, openai_server, patience
from prismaudio.backends.pretrained.asking import Enquiry, Unanswered
from prismaudio.backends.pretrained.missing import MissingExtra
from prismaudio.backends.pretrained.patience import Patience
from prismaudio.dimensions.lint import lint
from prismaudio.dimensions.plan import Plan
from prismaudio.media.preprocess import View
from prismaudio.planning.asked import AskedPlanner
from prismaudio.planning.base import Planner, PlannerFailed
from prismaudio.planning.choose import PlannerOptions, choose_planner
from prismaudio.planning.wire import read

KEYS = (openai_server.KEY, openai_server.ADDRESS, *gemini.KEYS)
QUICK = Patience(timeout=30.0, tries=3, pause=0.01)


@pytest.fixture(autouse=True)
def only_these_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own keys and proxies stay out of it."""
    for name in [
        *KEYS,
        "GOOGLE_GENAI_USE_VERTEXAI",
        *(n for n in os.environ if n.lower().endswith("_proxy")),
    ]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    pytest.importorskip("openai", reason="the extra 'planners' is not installed")
    monkeypatch.setenv(openai_server.KEY, KEY)
    with running(Server(OpenAI)) as server:
        yield server


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    pytest.importorskip("google.genai", reason="the extra 'planners' is not installed")
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    with running(Server(Gemini)) as server:
        yield server


def asking_openai(
    server: Server, model: str = "tiny-vl", patience: Patience = QUICK, **options: Any
) -> AskedPlanner:
    return AskedPlanner(openai_server.OpenAIServer(model, f"{server.url}/v1", patience), **options)


def asking_gemini(server: Server, model: str = "gemini-2.5-pro", **options: Any) -> AskedPlanner:
    chosen = {name: options.pop(name) for name in ("inline", "patience") if name in options}
    seer = gemini.Gemini(model, server.url, **({"patience": QUICK, "poll": 0.01} | chosen))
    return AskedPlanner(seer, **options)


def complaint(planner: Planner, **asked: Any) -> str:
    """What it says when there is no plan."""
    with pytest.raises(PlannerFailed) as error:
        planner.plan(request(**asked))
    assert "\n" not in str(error.value)
    assert KEY not in str(error.value)
    return str(error.value)


# All of them -----------------------------------------------------------------------------------


@pytest.fixture(params=["embedded", "file", "caption", "openai", "gemini"])
def planner(request: pytest.FixtureRequest, tmp_path: Path) -> Planner:
    if request.param in ("embedded", "caption"):
        return choose_planner(
            {"embedded": "embedded", "caption": "caption:knocks, then an engine"}[request.param]
        )
    if request.param == "file":
        measured().plan.save(tmp_path / "p.yaml")
        return choose_planner(f"file:{tmp_path / 'p.yaml'}")
    server = request.getfixturevalue({"openai": "openai", "gemini": "google"}[request.param])
    server.script = [answer()] * 3
    return asking_openai(server) if request.param == "openai" else asking_gemini(server)


def test_a_plan_can_be_heard_is_signed_and_comes_again(planner: Planner) -> None:
    plan, again = planner.plan(request()), planner.plan(request())
    assert isinstance(plan, Plan)
    assert [finding for finding in lint(plan, SECONDS) if finding.severity == "error"] == []
    assert plan.duration == SECONDS
    assert plan.onsets()[1:] == list(HITS)
    assert plan.provenance.planner not in ("", "unknown")
    assert plan == again
    assert KEY not in plan.to_text()


def test_what_must_not_be_heard_is_in_every_plan(planner: Planner) -> None:
    plan = planner.plan(request(avoid=("music", "engine", "tractor")))
    assert set(plan.semantic.avoid) >= {"music", "engine"}
    assert len(plan.semantic.events) == 1


# OpenAI's protocol -----------------------------------------------------------------------------


def test_pictures_go_behind_their_seconds_and_the_schema_is_strict(openai: Server) -> None:
    openai.script = [answer()]
    plan = asking_openai(openai).plan(request(seed=7, hint="a forest"))
    (asked,) = openai.asked
    assert openai.paths == ["POST /v1/chat/completions"]
    assert asked["seed"] == 7
    assert asked["response_format"]["json_schema"]["strict"] is True
    (message,) = asked["messages"]
    *pictures, text = message["content"]
    labels = [part["text"] for part in pictures if part["type"] == "text"]
    urls = [part["image_url"]["url"] for part in pictures if part["type"] == "image_url"]
    assert labels == [f"{k / 4:.2f} s:" for k in range(32)]
    mime, content = servers.decoded(urls[20])
    assert mime == "image/jpeg"
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(picture.astype(int) - film().images[128]).mean() < 3
    assert "a forest" in text["text"]
    assert plan.provenance.versions["model"] == "tiny-vl-2026-11"
    assert "812 tokens read and 96 written" in plan.provenance.notes


def test_a_server_that_plays_videos_gets_a_silent_one(openai: Server, tmp_path: Path) -> None:
    openai.script = [answer()]
    asking_openai(openai, footage="video").plan(request())
    mime, content = servers.decoded(openai.asked[0]["messages"][0]["content"][0]["video_url"]["url"])
    (tmp_path / "sent.mp4").write_bytes(content)
    with av.open(tmp_path / "sent.mp4") as file:
        assert (mime, len(file.streams.audio)) == ("video/mp4", 0)
        assert sum(1 for _ in file.decode(video=0)) == 64


def test_a_video_too_large_for_a_request_is_not_sent(openai: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_server, "LARGEST", 100)
    assert "send frames instead" in complaint(asking_openai(openai, footage="video"))


def test_a_wrong_plan_is_mended_in_the_same_conversation(openai: Server) -> None:
    openai.script = [LATE, answer()]
    plan = asking_openai(openai).plan(request())
    roles = [message["role"] for message in openai.asked[1]["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert openai.asked[1]["messages"][1]["content"] == LATE
    assert "after the clip's 8.00 s" in openai.asked[1]["messages"][2]["content"]
    assert plan.provenance.notes[0].startswith("2 answers")


def test_three_wrong_plans_are_enough_or_the_chosen_planner_takes_over(openai: Server) -> None:
    openai.script = ["I see a bird."] * 6
    name = f"openai:tiny-vl@{openai.url}/v1"
    with pytest.raises(PlannerFailed, match="no usable plan in 3 answers"):
        choose_planner(name).plan(request())
    plan = choose_planner(name, PlannerOptions(fallback="embedded")).plan(request())
    assert plan.onsets() == measured().plan.onsets()
    assert plan.provenance.notes[0].startswith(
        "by embedded, because openai failed: tiny-vl-2026-11 gave no usable"
    )


@pytest.mark.parametrize(
    ("reply", "wait"),
    [
        (openai_error(429, "Rate limit reached", "rate_limit_exceeded", retry_after="3"), 3.0),
        (openai_error(429, "Rate limit reached", "rate_limit_exceeded"), 0.01),
        (Reply(500, b"upstream went away", {"content-type": "text/plain"}), 0.01),
        (Reply(503, {"detail": "loading the model"}, {"retry-after": "2"}), 2.0),
    ],
)
def test_a_busy_server_is_asked_again_when_it_wishes(
    openai: Server, reply: Reply, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", slept.append)
    openai.script = [reply, answer()]
    assert asking_openai(openai).plan(request()).onsets()[1:] == list(HITS)
    assert slept == [wait]
    openai.script = [reply] * 3
    told = complaint(asking_openai(openai))
    assert "asked 3 times" in told
    assert openai.script == []


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (openai_error(401, f"Incorrect API key: {KEY}.", "invalid_api_key"), "refuses the key in OPENAI_API_KEY"),
        (openai_error(403, f"{KEY} may not", None), "refuses the key in OPENAI_API_KEY (answer 403)"),
        (openai_error(404, "The model does not exist", "model_not_found"), "knows no model 'tiny-vl'"),
        (openai_error(429, "You exceeded your current quota", "insufficient_quota"), "the quota of OPENAI_API_KEY"),
        (openai_error(400, f"images are too large, {KEY}\nsorry", None), "refuses the request (answer 400: "),
        (Reply(200, b"<html>a proxy</html>", {"content-type": "text/html"}), "does not answer as OpenAI's protocol"),
        (Reply(200, b'{"id": "chatcmpl-'), "does not answer as OpenAI's protocol"),
        (Reply(200, {"choices": []}), "does not answer as OpenAI's protocol"),
        (Reply(200, {"error": "out of memory"}), "does not answer as OpenAI's protocol"),
        (Reply(200, chat_completion("{", "length")), "ran out of tokens"),
        (Reply(200, chat_completion(None, refusal=f"I cannot.\n{KEY}")), "gave no answer (I cannot. ***)"),
        (Reply(200, chat_completion("", "content_filter")), "gave no answer (content_filter)"),
    ],
)  # fmt: skip
def test_what_a_server_refuses_is_told_in_one_line_without_the_key(
    openai: Server, reply: Reply, told: str
) -> None:
    openai.script = [reply]
    assert told in complaint(asking_openai(openai))
    assert len(openai.asked) == 1


def test_a_model_or_a_key_that_the_server_does_not_know(
    openai: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "knows no model 'huge-vl'" in complaint(asking_openai(openai, "huge-vl"))
    monkeypatch.setenv(openai_server.KEY, KEY[:-1])
    assert "refuses the key in OPENAI_API_KEY" in complaint(asking_openai(openai))


def test_a_server_that_wants_no_key_gets_none(openai: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(openai_server.KEY)
    openai.script = [answer(), openai_error(401, "no", None)]
    assert asking_openai(openai).plan(request()).onsets()
    assert "wants a key; set OPENAI_API_KEY" in complaint(asking_openai(openai))


def test_openai_itself_wants_a_key_at_once() -> None:
    pytest.importorskip("openai")
    with pytest.raises(Unanswered, match="no key for OpenAI; set OPENAI_API_KEY"):
        choose_planner("openai:gpt-x")


def test_the_address_may_come_from_the_environment(openai: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(openai_server.ADDRESS, f"{openai.url}/v1")
    openai.script = [answer()]
    assert choose_planner("openai:tiny-vl").plan(request()).provenance.planner == "openai"


def nowhere() -> str:
    """An address of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    pytest.importorskip("openai")
    address = nowhere().replace("//", "//me:secret@")
    seer = openai_server.OpenAIServer("tiny-vl", f"{address}/v1", QUICK)
    told = complaint(AskedPlanner(seer))
    assert "cannot reach http://127.0.0.1:" in told
    assert "asked 3 times" in told
    assert "secret" not in told


def test_a_server_that_is_slow_is_given_up(openai: Server) -> None:
    openai.script = [Reply(200, chat_completion(answer()), delay=20)]
    hasty = Patience(timeout=0.2, tries=1)
    assert "did not answer within 0.2 s" in complaint(asking_openai(openai, patience=hasty))


# Gemini's protocol -----------------------------------------------------------------------------


def test_gemini_gets_a_short_video_inside_the_request(google: Server) -> None:
    google.script = [answer()]
    plan = asking_gemini(google).plan(request(seed=7))
    (asked,) = google.asked
    assert google.paths == ["POST /v1beta/models/gemini-2.5-pro:generateContent"]
    video, text = asked["contents"][0]["parts"]
    assert video["inlineData"]["mimeType"] == "video/mp4"
    assert video["videoMetadata"]["fps"] == 8.0
    assert b"ftyp" in base64.urlsafe_b64decode(video["inlineData"]["data"])[:32]
    assert "silent" in text["text"]
    assert asked["generationConfig"]["seed"] == 7
    assert asked["generationConfig"]["responseJsonSchema"]["required"]
    assert plan.provenance.versions["model"] == "gemini-2.5-pro-002"
    assert "2710 tokens read and 143 written" in plan.provenance.notes


def test_gemini_mends_a_wrong_plan_in_the_same_conversation(google: Server) -> None:
    google.script = [LATE, answer()]
    asking_gemini(google).plan(request())
    contents = google.asked[1]["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user"]
    assert contents[1]["parts"] == [{"text": LATE}]
    assert "after the clip's 8.00 s" in contents[2]["parts"][0]["text"]


def test_gemini_takes_pictures_too(google: Server) -> None:
    google.script = [answer()]
    asking_gemini(google, footage="frames").plan(request())
    parts = google.asked[0]["contents"][0]["parts"]
    assert parts[0] == {"text": "0.00 s:"}
    assert parts[1]["inlineData"]["mimeType"] == "image/jpeg"
    assert len(parts) == 2 * 32 + 1


@pytest.mark.parametrize("listening", [False, True])
def test_a_large_video_goes_through_the_files_api_without_its_name(
    google: Server, listening: bool, tmp_path: Path
) -> None:
    path = tmp_path / "my-secret-name.mp4"
    path.write_bytes(b"\0" * 5000)
    google.script, google.waits = [answer()], 2
    asking_gemini(google, inline=1000, listening=listening).plan(request(video=path))
    assert google.paths == [
        "POST /upload/v1beta/files",
        "POST /here/1",
        *["GET /v1beta/files/abc-123"] * 2,
        "POST /v1beta/models/gemini-2.5-pro:generateContent",
        "DELETE /v1beta/files/abc-123",
    ]
    (uploaded,) = google.uploads
    assert (uploaded == path.read_bytes()) is listening
    part = google.asked[-1]["contents"][0]["parts"][0]
    assert part["fileData"] == {"fileUri": f"{google.url}/v1beta/files/abc-123", "mimeType": "video/mp4"}
    assert "my-secret-name" not in str(google.asked)


def test_a_video_that_gemini_cannot_read_is_told_and_deleted(google: Server) -> None:
    google.broken = True
    assert "cannot read the video" in complaint(asking_gemini(google, inline=1000))
    assert google.paths[-1].startswith("DELETE")
    google.broken, google.waits = False, 10**6
    hasty = Patience(timeout=0.05, tries=1)
    assert "has not prepared the video within" in complaint(
        asking_gemini(google, inline=1000, patience=hasty)
    )
    assert google.paths[-1].startswith("DELETE")


BUSY = "Resource has been exhausted (e.g. check quota)."
DELAY = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "4s"}]
DAILY = [
    {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
    }
]


@pytest.mark.parametrize(
    ("reply", "wait"),
    [
        (servers.gemini_error(429, BUSY, "RESOURCE_EXHAUSTED", DELAY), 4.0),
        (servers.gemini_error(503, "The model is overloaded.", "UNAVAILABLE"), 0.01),
        (Reply(502, b"<html>bad gateway</html>", {"content-type": "text/html"}), 0.01),
    ],
)
def test_a_busy_gemini_is_asked_again_when_it_wishes(
    google: Server, reply: Reply, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", slept.append)
    google.script = [reply, answer()]
    assert asking_gemini(google).plan(request()).onsets()[1:] == list(HITS)
    assert slept == [wait]
    google.script = [reply] * 3
    assert "asked 3 times" in complaint(asking_gemini(google))


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (servers.gemini_error(400, f"API key not valid: {KEY}", "INVALID_ARGUMENT"), "refuses the key in GEMINI_API_KEY"),
        (servers.gemini_error(403, f"denied {KEY}", "PERMISSION_DENIED"), "refuses the key in GEMINI_API_KEY"),
        (servers.gemini_error(404, "not found", "NOT_FOUND"), "knows no model 'gemini-2.5-pro'"),
        (servers.gemini_error(429, BUSY, "RESOURCE_EXHAUSTED", DAILY), "the day's quota"),
        (servers.gemini_error(400, f"too long\n{KEY}", "INVALID_ARGUMENT"), "(answer 400: too long ***)"),
        (Reply(200, b"{"), "does not answer as Gemini's protocol"),
        (Reply(200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), "gave no answer (PROHIBITED_CONTENT)"),
        (Reply(200, generated(None, "SAFETY")), "gave no answer (SAFETY)"),
        (Reply(200, generated("{", "MAX_TOKENS")), "ran out of tokens"),
        (Reply(200, {}), "gave no answer (no reason given)"),
    ],
)  # fmt: skip
def test_what_gemini_refuses_is_told_in_one_line_without_the_key(
    google: Server, reply: Reply, told: str
) -> None:
    google.script = [reply]
    assert told in complaint(asking_gemini(google))
    assert len(google.asked) == 1


def test_gemini_wants_a_key_at_once_and_takes_either_name(
    google: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")
    with pytest.raises(Unanswered, match="no key for Gemini; set GEMINI_API_KEY"):
        choose_planner("gemini")
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    google.script = [answer()]
    assert asking_gemini(google).plan(request()).provenance.planner == "gemini"


def test_a_gemini_out_of_reach_or_slow_is_told(google: Server) -> None:
    told = complaint(AskedPlanner(gemini.Gemini("x", nowhere(), QUICK)))
    assert "cannot reach http://127.0.0.1" in told
    assert "asked 3 times" in told
    google.script = [Reply(200, generated(answer()), delay=20)]
    told = complaint(asking_gemini(google, patience=Patience(timeout=0.2, tries=1)))
    assert "did not answer within 0.2 s" in told


# Keys and extras -------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["openai", "google"])
def test_the_key_is_in_no_log_no_error_and_no_plan(
    service: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    server: Server = request.getfixturevalue(service)
    refusal = (
        openai_error(500, f"bad {KEY}", None)
        if service == "openai"
        else servers.gemini_error(500, KEY, "INTERNAL")
    )
    server.script = [answer(), refusal, refusal, refusal]
    planner = asking_openai(server) if service == "openai" else asking_gemini(server)
    with caplog.at_level(logging.DEBUG):
        plan = planner.plan(planned_clips.request())
        told = complaint(planner)
    assert KEY not in plan.to_text() + told + repr(planner) + str(vars(planner.seer).get("address"))
    assert KEY not in "\n".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("service", ["openai", "google"])
def test_no_traceback_shows_what_the_server_said(service: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(service)
    if service == "openai":
        server.script = [openai_error(401, f"Incorrect API key: {KEY}.", "invalid_api_key")]
    else:
        server.script = [servers.gemini_error(400, f"API key not valid: {KEY}", "INVALID_ARGUMENT")]
    planner = asking_openai(server) if service == "openai" else asking_gemini(server)
    with pytest.raises(PrismAudioError) as error:
        planner.plan(planned_clips.request())
    assert KEY not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    ("module", "make", "extra"),
    [
        ("openai", lambda: openai_server.OpenAIServer("x", "http://h/v1"), "planners"),
        ("google", lambda: gemini.Gemini("x"), "planners"),
        ("transformers", lambda: choose_planner(f"local:{Path(__file__).parent}"), "published"),
    ],
)
def test_a_missing_extra_is_named(
    module: str, make: Callable[[], object], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf'pip install "prismaudio\[{extra}\]"'):
        make()


def test_an_enquiry_of_nothing_but_words_reaches_the_model(openai: Server) -> None:
    """The client is no slave of the planner: no schema, no format."""
    openai.script = ["hello"]
    seer = openai_server.OpenAIServer("tiny-vl", f"{openai.url}/v1", QUICK)
    said = seer.ask(Enquiry("hi", request().frames(View(1, 32, 32))))
    assert said.text == "hello"
    assert "response_format" not in openai.asked[0]


def test_answers_are_read_alike_whoever_gave_them(openai: Server, google: Server) -> None:
    openai.script, google.script = [answer()], [answer()]
    plans = [
        planner.plan(request())
        for planner in (asking_openai(openai, evidence="told"), asking_gemini(google, evidence="told"))
    ]
    assert plans[0].semantic == plans[1].semantic == read(answer(), SECONDS).semantic
