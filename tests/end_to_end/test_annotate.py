"""From videos to training data on the command line, even if it is killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Command
from planned_clips import answer
from planner_servers import KEY, OpenAI, Reply, Server, chat_completion, openai_error, running
from teaching import write_taught, write_videos

from prismaudio.planning.annotation import latest

PROGRAM = "from prismaudio.cli.main import main; main()"
COUNT = 6


@pytest.fixture
def server() -> Iterator[Server]:
    pytest.importorskip("openai", reason="the extra 'planners' is not installed")
    with running(Server(OpenAI)) as server:
        yield server


def arguments(server: Server, clips: Path, out: Path, *more: str) -> list[str]:
    planner = f"openai:tiny-vl@{server.url}/v1"
    own = ["--planner", planner, "--planner-set", "evidence=unused", *more]
    return ["annotate", str(clips), "-o", str(out), *own]


def process(*arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environment | {"OPENAI_API_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_questions(server: Server, count: int) -> None:
    end = time.monotonic() + 60
    while len(server.asked) < count:
        assert time.monotonic() < end, "the program asks nothing"
        time.sleep(0.02)


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped_goes_on_where_it_was(
    server: Server,
    prismaudio: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    code: int,
) -> None:
    """Three answers are there when it is stopped; one more is on its way, which Ctrl-C waits for and a kill loses."""
    clips, out = tmp_path / "clips", tmp_path / "plans.jsonl"
    write_videos(clips, COUNT)
    waited = Reply(200, chat_completion(answer()), delay=60.0)
    server.script = [answer()] * 3 + [waited] + [answer()] * COUNT
    run = process(*arguments(server, clips, out, "--workers", "1"))
    wait_for_questions(server, 4)
    run.send_signal(number)
    if number is signal.SIGKILL:
        run.wait(timeout=60)
        with out.open("ab") as file:
            file.write(b'{"id": "torn by a cra')
    else:
        time.sleep(0.5)
    server.released.set()
    _, said = run.communicate(timeout=60)
    assert run.returncode == code
    kept = 3 if number is signal.SIGKILL else 4
    assert lines(out) == kept

    asked = len(server.asked)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    again = prismaudio(*arguments(server, clips, out))
    assert again.code == 0, again.err
    assert f"{COUNT - kept} done, {kept} skipped, 0 failed" in again.out
    assert len(server.asked) - asked == COUNT - kept
    assert sorted(row.id for row in latest(out)) == [f"clip{number}" for number in range(COUNT)]
    assert KEY not in out.read_text() + said + again.out + again.err


def test_a_failing_server_ends_in_exit_code_1_and_a_summary(
    server: Server, prismaudio: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    write_videos(tmp_path / "clips", 2)
    server.script = [answer(), openai_error(400, "too large", None)]
    prices = ("--price-in", "2", "--price-out", "8", "--workers", "1")
    ran = prismaudio(*arguments(server, tmp_path / "clips", tmp_path / "plans.jsonl", *prices))
    assert ran.code == 1
    assert "1 done, 0 skipped, 1 failed\n812 tokens read and 96 written, cost 0.0024\n1 x " in ran.out
    assert ran.err == "prismaudio: 1 of 2 clips failed; run the same command to try them again\n"


def test_films_with_their_plans_become_training_data(prismaudio: Command, tmp_path: Path) -> None:
    write_taught(tmp_path / "films", 2)
    out = tmp_path / "plans.jsonl"
    ran = prismaudio("annotate", tmp_path / "films", "-o", out, "--planner", "file")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("2 done, 0 skipped, 0 failed\n")
    for kind, name in (("ms-swift", "a.jsonl"), ("llama-factory", "b.json"), ("videollama2", "c.json")):
        ran = prismaudio("annotate", out, "--export", kind, "-o", tmp_path / name)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(f"wrote 2 lessons to {tmp_path / name}")
    assert "b" in json.loads((tmp_path / "dataset_info.json").read_text())
    ran = prismaudio("annotate", out, "--export", "ms-swift", "-o", tmp_path / "a.jsonl")
    assert (ran.code, ran.err.startswith("prismaudio: cannot write")) == (1, True)
    (tmp_path / "films" / "clip1.mp4").unlink()
    ran = prismaudio("annotate", out, "--export", "ms-swift", "-o", tmp_path / "a.jsonl", "--force")
    assert "wrote 1 lessons" in ran.out
    assert "left out clip1: no video at" in ran.err
    (tmp_path / "films" / "clip0.mp4").unlink()
    ran = prismaudio("annotate", out, "--export", "ms-swift", "-o", tmp_path / "a.jsonl", "--force")
    assert (ran.code, "there is nothing to learn" in ran.err) == (1, True)


def test_the_embedded_planner_annotates_what_it_measures(
    prismaudio: Command, clip: Path, tmp_path: Path
) -> None:
    ran = prismaudio("annotate", clip, "-o", tmp_path / "plans.jsonl", "--planner", "embedded")
    assert (ran.code, ran.err) == (0, "")
    (row,) = latest(tmp_path / "plans.jsonl")
    assert row.teacher == "embedded"
    assert row.plan is not None
    assert row.plan.onsets()


def test_mistakes_are_told_in_one_line(prismaudio: Command, tmp_path: Path) -> None:
    for arguments, told in (
        ((tmp_path, "-o", tmp_path / "p.jsonl", "--planner", "file"), "no videos in"),
        ((tmp_path / "x", "-o", tmp_path / "p.jsonl", "--planner", "file"), "no video and no folder"),
        ((tmp_path, "-o", tmp_path / "p.json", "--planner", "file"), "unknown file ending"),
        (
            (
                __file__,
                "-o",
                tmp_path / "p.jsonl",
                "--planner",
                "embedded",
                "--planner-set",
                "fallback=embedded",
            ),
            "a teacher speaks for itself",
        ),
        ((tmp_path / "x", "--export", "ms-swift", "-o", tmp_path / "p.jsonl"), "cannot read"),
    ):
        ran = prismaudio("annotate", *arguments)
        assert ran.code == 1
        assert told in ran.err
        assert ran.err.count("\n") == 1
