"""A teacher over many clips: every clip once, whatever fails, stops or is killed; against a server on loopback."""

import base64
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planned_clips import LATE, answer, measured
from planner_servers import KEY, Gemini, OpenAI, Reply, Server, chat_completion, openai_error, running
from teaching import write_taught, write_video, write_videos

from prismaudio.backends.pretrained import gemini, openai_server
from prismaudio.backends.pretrained.patience import Patience
from prismaudio.dimensions.plan import Plan
from prismaudio.planning import annotating
from prismaudio.planning.annotating import NoVideos, Pace, Scope, Tally, Unfinished, annotate, videos_in
from prismaudio.planning.annotation import Ledger, annotations, latest
from prismaudio.planning.asked import AskedPlanner
from prismaudio.planning.choose import choose_planner
from prismaudio.planning.evidence import Evidence
from prismaudio.planning.teacher import Prices, Teacher
from prismaudio.planning.written import PlansBeside

pytest.importorskip("openai", reason="the extra 'planners' is not installed")

COUNT = 6


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(openai_server.KEY, KEY)
    with running(Server(OpenAI)) as running_server:
        running_server.script = [answer()] * 100
        yield running_server


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_videos(tmp_path_factory.mktemp("clips"), COUNT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plans.jsonl"


def unmeasured(video: Path, seconds: float) -> Evidence:
    raise AssertionError("nothing is to be measured")


def teacher(server: Server, **others: Any) -> Teacher:
    seer = openai_server.OpenAIServer("tiny-vl", f"{server.url}/v1", Patience(30.0, 2, 0.01))
    evidence = others.pop("evidence", "unused")
    return Teacher(AskedPlanner(seer, evidence), **({"measure": unmeasured} | others))


def test_every_clip_is_asked_once_and_signed(server: Server, clips: list[Path], path: Path) -> None:
    tally = annotate(clips, teacher(server, prices=Prices(1.0, 10.0)), Ledger(path))
    assert (tally.done, tally.skipped, tally.failed) == (COUNT, 0, 0)
    assert (tally.read, tally.written) == (812 * COUNT, 96 * COUNT)
    assert tally.cost == pytest.approx(COUNT * (812 + 960) / 1e6)
    rows = latest(path)
    assert {row.video_of(path) for row in rows} == set(clips)
    for row in rows:
        assert row.teacher == "openai:tiny-vl"
        assert row.plan is not None
        assert row.plan.provenance.video_sha256 == row.sha256
        assert row.plan.provenance.versions["model"] == "tiny-vl-2026-11"
        assert row.thoughts == row.plan.paragraphs("numeric")
        assert row.cost == pytest.approx((812 + 960) / 1e6)
        assert row.seconds > 0
    assert KEY not in path.read_text()
    assert server.url not in path.read_text()


def test_the_next_run_asks_about_new_clips_only_by_whatever_name(
    server: Server, clips: list[Path], path: Path, tmp_path: Path
) -> None:
    annotate(clips[:3], teacher(server), Ledger(path))
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(clips[0].read_bytes())
    asked = len(server.asked)
    tally = annotate([moved, *clips[:4]], teacher(server), Ledger(path))
    assert (tally.done, tally.skipped) == (1, 4)
    assert len(server.asked) == asked + 1


@pytest.mark.parametrize(
    "change",
    [{"hint": "a forest"}, {"avoid": ("music",)}, {"language": "German"}, {"longest": 7.9}, {"seed": 1}],
)
def test_another_question_is_asked_anew(
    server: Server, clips: list[Path], path: Path, change: dict[str, Any]
) -> None:
    annotate(clips[:1], teacher(server), Ledger(path))
    server.script = [answer(semantic={"events": [], "ambience": [], "avoid": []},
                            temporal={"spans": []}, spatial={"places": []})] * 3  # fmt: skip
    assert annotate(clips[:1], teacher(server, **change), Ledger(path)).done == 1
    assert annotate(clips[:1], teacher(server, **change), Ledger(path)).skipped == 1
    assert len(latest(path)) == 2


def test_two_copies_of_one_clip_are_one_question(
    server: Server, clips: list[Path], path: Path, tmp_path: Path
) -> None:
    copies = [tmp_path / f"copy{number}.mp4" for number in range(4)]
    for copy in copies:
        copy.write_bytes(clips[0].read_bytes())
    tally = annotate(copies, teacher(server), Ledger(path), Pace(workers=4))
    assert (tally.done, tally.skipped, len(server.asked)) == (1, 3, 1)


def test_workers_ask_at_the_same_time(server: Server, clips: list[Path], path: Path) -> None:
    """Each answer waits until three questions are there, so one worker alone would wait for the delay to end."""
    server.script = [Reply(200, chat_completion(answer()), delay=60.0)] * 3
    release = threading.Thread(
        target=lambda: (wait_for(lambda: len(server.asked) == 3), server.released.set())
    )
    release.start()
    began = time.monotonic()
    assert annotate(clips[:3], teacher(server), Ledger(path), Pace(workers=3)).done == 3
    release.join()
    assert time.monotonic() - began < 20


def wait_for(what: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.01)


def test_failures_are_written_down_with_their_price_and_tried_again(
    server: Server, clips: list[Path], path: Path
) -> None:
    server.script = [answer(), openai_error(400, "too large", None), LATE, LATE, LATE, answer()]
    one = Pace(workers=1)
    tally = annotate(clips[:4], teacher(server), Ledger(path), one)
    assert (tally.done, tally.failed) == (2, 2)
    assert tally.read == 812 * 5
    failed = [row for row in latest(path) if row.error]
    assert [(row.id, row.plan, row.read) for row in failed] == [("clip1", None, 0), ("clip2", None, 3 * 812)]
    assert "refuses the request (answer 400: Error code: 400 - too large)" in (failed[0].error or "")
    with pytest.raises(Unfinished, match="2 of 4 clips failed; run the same command"):
        tally.check()
    told = tally.told()
    assert "2 done, 0 skipped, 2 failed" in told
    assert "1 x" in told

    asked = len(server.asked)
    left = annotate(clips[:4], teacher(server), Ledger(path), one, Scope(again=False))
    assert (left.done, left.skipped, len(server.asked)) == (0, 4, asked)
    server.script = [answer()] * 2
    again = annotate(clips[:4], teacher(server), Ledger(path), one)
    assert (again.done, again.skipped, again.failed) == (2, 2, 0)
    assert [row.error for row in annotations(path)] == [None] * 4


def test_a_damaged_video_stops_nobody(server: Server, clips: list[Path], path: Path, tmp_path: Path) -> None:
    broken = [tmp_path / "broken.mp4", tmp_path / "too.mp4"]
    for number, video in enumerate(broken):
        video.write_bytes(b"no video" * (number + 1))
    tally = annotate([broken[0], clips[0], broken[1]], teacher(server), Ledger(path))
    assert (tally.done, tally.failed) == (1, 2)
    assert [(count, "cannot read VIDEO" in why) for why, count in tally.reasons.items()] == [(2, True)]


def test_a_hopeless_server_is_let_be(
    server: Server,
    clips: list[Path],
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(annotating, "HOPELESS", 3)
    server.script = [openai_error(401, "no", None)] * 100
    tally = annotate(clips, teacher(server), Ledger(path), Pace(workers=1))
    assert (tally.failed, len(server.asked)) == (3, 3)
    assert "gave up after 3 failures in a row" in caplog.text
    server.script = [LATE] * 100  # an answer, if of no use: the server works
    assert annotate(clips, teacher(server), Ledger(path), Pace(workers=1)).failed == COUNT
    server.script = [openai_error(401, "no", None), answer()] * 3
    assert annotate(clips, teacher(server), Ledger(path), Pace(workers=1)).seen == COUNT


def test_a_limit_and_a_pace_are_kept(server: Server, clips: list[Path], path: Path) -> None:
    annotate(clips[:1], teacher(server), Ledger(path))
    began = time.monotonic()
    tally = annotate(clips, teacher(server), Ledger(path), Pace(workers=4, per_minute=240), Scope(limit=3))
    assert (tally.done, len(latest(path))) == (3, 4)
    assert time.monotonic() - began >= 0.5  # the third may begin half a second after the first


def test_a_mistake_of_ours_ends_the_run_and_is_told(server: Server, clips: list[Path], path: Path) -> None:
    with pytest.raises(AssertionError, match="nothing is to be measured"):
        annotate(clips, teacher(server, evidence="kept"), Ledger(path))


def test_what_was_measured_is_told_and_kept(server: Server, clips: list[Path], path: Path) -> None:
    annotate(clips[:1], teacher(server, evidence="kept", measure=lambda *_: measured()), Ledger(path))
    assert "something strikes at 1.04" in server.asked[0]["messages"][0]["content"][-1]["text"]
    (row,) = latest(path)
    assert row.plan is not None
    assert row.plan.onsets()[1:] == [1.04, 2.52, 4.0]
    assert (
        annotate(clips[:1], teacher(server, evidence="kept"), Ledger(path)).skipped == 1
    )  # and nothing measured


def test_an_interruption_keeps_the_answers_on_their_way(
    server: Server, clips: list[Path], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two come at once, two are being waited for when the interruption comes, two are never asked for."""
    server.script = [answer(), answer(), *[Reply(200, chat_completion(answer()), delay=60.0)] * 4]

    def interrupt(tally: Tally) -> None:
        if tally.done == 2:
            wait_for(lambda: len(server.asked) == 4)
            threading.Timer(0.2, server.released.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate(clips, teacher(server), Ledger(path), Pace(workers=2), report=interrupt)
    assert len(latest(path)) == len(server.asked) == 4
    assert "waiting for the answers that are on their way" in caplog.text
    assert annotate(clips, teacher(server), Ledger(path)).done == 2
    assert sorted(row.id for row in latest(path)) == [clip.stem for clip in clips]


def test_a_teacher_that_listens_gets_the_file_itself(
    clips: list[Path], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.genai", reason="the extra 'planners' is not installed")
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    with running(Server(Gemini)) as google:
        google.script = [answer()] * 2
        for listening in (True, False):
            seer = gemini.Gemini("gemini-2.5-pro", google.url, Patience(30.0, 1, 0.01))
            asked = Teacher(AskedPlanner(seer, "unused", listening=listening), unmeasured)
            assert annotate(clips[:1], asked, Ledger(path)).done == 1  # the other is another question
    sent = [
        base64.urlsafe_b64decode(each["contents"][0]["parts"][0]["inlineData"]["data"])
        for each in google.asked
    ]
    assert [content == clips[0].read_bytes() for content in sent] == [True, False]
    assert {row.teacher for row in latest(path)} == {"gemini:gemini-2.5-pro"}


# Plans that lie beside their videos ------------------------------------------------------------


def test_plans_beside_videos_are_taken_exactly_and_anew_when_edited(tmp_path: Path, path: Path) -> None:
    write_taught(tmp_path / "films", 3)
    write_video(tmp_path / "films" / "bare.mp4", 9)
    videos = videos_in([tmp_path / "films"])
    beside = Teacher(PlansBeside(), unmeasured)
    tally = annotate(videos, beside, Ledger(path))
    assert (tally.done, tally.failed) == (3, 1)
    assert "no plan beside VIDEO; write bare.plan.yaml" in next(iter(tally.reasons))
    plans = {row.id: row.plan for row in latest(path) if row.plan}
    file = tmp_path / "films" / "clip1.plan.yaml"
    true = Plan.load(file)
    for name in ("semantic", "temporal", "aesthetic", "spatial"):
        assert getattr(plans["clip1"], name) == getattr(true, name)
    quiet = true.aesthetic.model_copy(update={"loudness": "quiet"})
    true.model_copy(update={"aesthetic": quiet}).save(file)
    true.save(tmp_path / "films" / "bare.plan.json")
    again = annotate(videos, beside, Ledger(path))
    assert (again.done, again.skipped, again.failed) == (2, 2, 0)


def test_a_plan_that_contradicts_itself_teaches_nothing(tmp_path: Path, path: Path) -> None:
    write_taught(tmp_path / "films", 1)
    file = tmp_path / "films" / "clip0.plan.yaml"
    plan = Plan.load(file)
    plan.model_copy(update={"temporal": plan.temporal.model_copy(update={"spans": ()})}).save(file)
    annotate(videos_in([tmp_path / "films"]), Teacher(PlansBeside(), unmeasured), Ledger(path))
    (row,) = latest(path)
    assert row.plan is None
    assert "the plan contradicts itself: " in (row.error or "")


def test_a_caption_is_part_of_the_question(clips: list[Path], path: Path) -> None:
    for words in ("a dog barks", "a cat meows"):
        own = Teacher(choose_planner(f"caption:{words}"), lambda *_: measured())
        assert annotate(clips[:1], own, Ledger(path)).done == 1
    assert [row.thoughts["semantic"] for row in latest(path)] == [
        "a dog barks",
        "a cat meows",
    ]


def test_videos_are_found_in_folders_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b/2.MP4", "b/1.mkv", "b/.3.mp4", "b/notes.txt", "a.webm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = videos_in([tmp_path / "b", tmp_path / "a.webm", tmp_path])
    assert [video.name for video in found] == ["1.mkv", "2.MP4", "a.webm"]
    with pytest.raises(NoVideos, match="no video and no folder at"):
        videos_in([tmp_path / "c"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoVideos, match="no videos in"):
        videos_in([tmp_path / "empty"])
