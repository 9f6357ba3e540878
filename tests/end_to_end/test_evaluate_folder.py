"""`prismaudio evaluate folder`, `compare` and `listen` as they are typed."""

import csv
import json
from pathlib import Path

import pytest
from command import Command
from suite_folders import write_films, write_sounds

NAMES = ["a", "b", "c", "d"]
METRICS = "loudness,proxy_quality,FD_logmel"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    write_sounds(tmp_path / "pred", NAMES)
    write_sounds(tmp_path / "gt", NAMES, seed=50)
    return tmp_path


def test_a_folder_is_measured_and_two_runs_write_the_same_files(prismaudio: Command, folders: Path) -> None:
    asked = ["evaluate", "folder", "--pred", folders / "pred", "--gt", folders / "gt", "--metrics", METRICS,
             "--allow-small", "--set-rounds", 5, "--cache", folders / "cache"]  # fmt: skip
    first = prismaudio(*asked, "--out", folders / "1.json")
    second = prismaudio(*asked, "--out", folders / "2.json")
    assert first.code == second.code == 0
    assert "FD_logmel" in first.out
    assert "4 of 4 clips measured (100.0%)" in first.out
    assert (folders / "1.json").read_bytes() == (folders / "2.json").read_bytes()
    table = next(folders.glob("1.clips.*"))
    assert table.read_bytes() == table.with_stem("2.clips").read_bytes()
    again = prismaudio(*asked, "--out", folders / "1.json")
    assert again.code == 1
    assert "--force" in again.err


def test_too_many_broken_clips_fail_but_leave_the_report(prismaudio: Command, folders: Path) -> None:
    (folders / "pred" / "b.wav").write_bytes(b"broken" * 50)
    asked = [
        "evaluate",
        "folder",
        "--pred",
        folders / "pred",
        "--metrics",
        "loudness",
        "--cache",
        folders / "c",
    ]
    strict = prismaudio(*asked, "--out", folders / "run.json")
    assert strict.code == 1
    assert "only 3 of 4 clips could be measured" in strict.err
    assert json.loads((folders / "run.json").read_text())["counts"]["problems"] == {"sound unreadable": 1}
    assert prismaudio(*asked, "--min-coverage", 0.7).code == 0


def test_two_systems_are_compared_and_unlike_runs_refused(prismaudio: Command, folders: Path) -> None:
    write_sounds(folders / "louder", NAMES, gain=0.2)
    common = ["--gt", folders / "gt", "--metrics", METRICS, "--allow-small", "--set-rounds", 0,
              "--cache", folders / "cache"]  # fmt: skip
    for system in ("pred", "louder"):
        out = folders / f"{system}.json"
        assert prismaudio("evaluate", "folder", "--pred", folders / system, *common, "--out", out).code == 0
    asked = [
        "evaluate",
        "compare",
        folders / "pred.json",
        folders / "louder.json",
        "--cache",
        folders / "cache",
    ]
    found = prismaudio(*asked, "--rounds", 200, "--out", folders / "found.json")
    assert found.code == 0
    assert "louder - pred" in found.out
    assert json.loads((folders / "found.json").read_text())["metrics"]["loudness"]["difference"] > 5
    cut = ["evaluate", "folder", "--pred", folders / "louder", *common, "--seconds", 0.5]
    prismaudio(*cut, "--out", folders / "cut.json")
    refused = prismaudio("evaluate", "compare", folders / "pred.json", folders / "cut.json")
    assert refused.code == 1
    assert "reading.seconds is None and 0.5" in refused.err


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (["--metrics", "FD"], "unknown metric 'FD'"),
        (["--weights", "PANNs"], "write --weights NAME=FILE"),
        (["--weights", "CLAP=x.pt"], "unknown network 'CLAP'"),
        (["--device", "moon"], "unknown device 'moon'"),
        (["--gt", "nowhere"], "no folder at nowhere"),
        (["--out", "x.txt"], "file ending"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    prismaudio: Command, folders: Path, asked: list[str], problem: str
) -> None:
    outcome = prismaudio("evaluate", "folder", "--pred", folders / "pred", "--cache", folders / "c", *asked)
    assert outcome.code == 1
    assert problem in outcome.err
    assert outcome.err.count("\n") == 1


def test_benchmarks_keep_their_names(prismaudio: Command) -> None:
    assert "Sampler steps" in prismaudio("evaluate", "stage", "--help").out
    assert "stage, edits" in prismaudio("evaluate", "--help").out
    assert prismaudio("evaluate", "nonsense").code == 2
    for asked in (("evaluate", "folder"), ("evaluate", "compare"), ("listen", "make"), ("listen", "analyse")):
        text = prismaudio(*asked, "--help").out
        assert f"prismaudio {' '.join(asked)} " in text
        assert "Example" in text
        assert "Exit codes" in text


def test_a_listening_test_is_made_and_its_answers_become_a_table(prismaudio: Command, folders: Path) -> None:
    write_films(folders / "films", NAMES)
    asked = ["--system", f"ours={folders / 'pred'}", "--gt", folders / "gt", "--raters", 2, "--clips", 2]
    made = prismaudio("listen", "make", folders / "test", *asked)
    assert made.code == 0
    assert "2 clips, ours, reference, anchor" in made.out
    key = json.loads((folders / "test" / "key.json").read_text())
    manifest = json.loads((folders / "test" / "page" / "manifest.json").read_text())
    score = {"ours": 3, "reference": 5, "anchor": 1}
    with (folders / "1.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["test", "rater", "trial", "item", "score"])
        for number, trial in enumerate(manifest["raters"][0]):
            condition = key["items"][trial["item"]]["conditions"][0]
            writer.writerow([manifest["test"], 1, number, trial["item"], score[condition]])
    answers = ["listen", "analyse", folders / "1.csv", "--key", folders / "test" / "key.json"]
    table = prismaudio(*answers, "--baseline", "reference")
    assert table.code == 0
    assert "| ours | 3.00 |" in table.out
    assert prismaudio(*answers, "--format", "latex", "--out", folders / "t.tex").code == 0
    assert r"\toprule" in (folders / "t.tex").read_text()
    late = prismaudio(
        "listen", "make", folders / "late", *asked, "--kind", "mos-c", "--video", folders / "films"
    )
    assert late.code == 1
    assert "cannot be 1 s late" in late.err
    assert not (folders / "late").exists()
