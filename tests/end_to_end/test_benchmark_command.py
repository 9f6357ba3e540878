"""`prismaudio benchmark` as it is typed."""

import json
from pathlib import Path

import pytest
from canvases import write_film
from command import Command

from prismaudio.evaluation.canvas import stage_canvas
from prismaudio.evaluation.canvas.stage_canvas import CanvasConfig
from prismaudio.media.audio import read_audio

TINY = CanvasConfig(name="tiny", single=1, multi=1, shortest=2.0, longest=2.2, width=160, height=112)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(stage_canvas.SIZES, "small", TINY)


@pytest.mark.usefixtures("tiny")
def test_the_stage_is_rendered_sounded_judged_and_told_in_a_table(
    prismaudio: Command, tmp_path: Path
) -> None:
    made = prismaudio("benchmark", "stage-canvas", tmp_path / "canvas")
    assert made.code == 0
    assert "wrote 2 clips" in made.out
    manifest = tmp_path / "canvas" / "manifest.jsonl"
    checked = prismaudio("benchmark", "check", manifest)
    assert checked.code == 0
    assert "2 clips (1 single, 1 multi)" in checked.out
    asked = ["benchmark", "run", manifest, "--model", "embedded", "--steps", 2, "--reference",
             "--out", tmp_path / "run", "--cache", tmp_path / "cache", "--set-rounds", 0]  # fmt: skip
    ran = prismaudio(*asked)
    assert ran.code == 0, ran.err
    for word in (
        "CLAP↑",
        "embedded_audio_text",
        "onset F1↑",
        "MOS-Q: n/a",
        "Not comparable",
        "embedded: 2 of 2 clips",
    ):
        assert word in ran.out
    sounds = sorted((tmp_path / "run" / "sounds" / "embedded").glob("*.wav"))
    before, first = [path.stat().st_mtime_ns for path in sounds], read_audio(sounds[0])
    sounds[0].unlink()
    assert prismaudio(*asked).code == 1  # a finished run is not overwritten
    assert prismaudio(*asked, "--force").code == 0
    # made alone this time, and so the same but for rounding
    assert (read_audio(sounds[0]).samples - first.samples).abs().max() < 1e-2
    report = (tmp_path / "run" / "report.json").read_bytes()
    assert prismaudio(*asked, "--force").code == 0
    assert (tmp_path / "run" / "report.json").read_bytes() == report
    assert sounds[1].stat().st_mtime_ns == before[1]


def test_a_table_is_imported_built_and_run_on_folders(prismaudio: Command, tmp_path: Path) -> None:
    from suite_folders import write_sounds

    for number, name in enumerate(("a", "b", "c")):
        write_film(tmp_path / "films" / f"{name}.mp4", number)
    write_sounds(tmp_path / "truth", ["a", "b", "c"], seconds=3.0)
    write_sounds(tmp_path / "ours", ["a", "b", "c"], seed=30, seconds=3.0)
    (tmp_path / "films" / "copy.mp4").write_bytes((tmp_path / "films" / "a.mp4").read_bytes())
    (tmp_path / "truth" / "copy.wav").write_bytes((tmp_path / "truth" / "a.wav").read_bytes())
    table = tmp_path / "clips.csv"
    table.write_text(
        "id,label,caption\na,dog,a dog\nb,cat,a cat\nc,dog,a dog\ncopy,cat,a cat\ngone,cat,a cat\n"
    )
    every, kept = tmp_path / "all.jsonl", tmp_path / "kept.jsonl"
    asked = ["--videos", tmp_path / "films", "--references", tmp_path / "truth", "-o", every]
    imported = prismaudio("benchmark", "import", "csv", table, *asked)
    assert imported.code == 0, imported.err
    assert "4 of 5 clips are there" in imported.out
    built = prismaudio(
        "benchmark", "build", every, "-o", kept, "--cache", tmp_path / "cache", "--per-class", 1
    )
    assert built.code == 0, built.err
    assert "2 of 4 clips stay" in built.out
    removed = json.loads((tmp_path / "kept.report.json").read_text())["removed"]
    assert removed["copy"]["reason"] == "the same video as a"
    assert {why["filter"] for why in removed.values()} == {"duplicates", "balance"}
    ran = prismaudio("benchmark", "run", kept, "--sounds", tmp_path / "ours", "--out", tmp_path / "run",
                     "--cache", tmp_path / "cache", "--min-coverage", 1.0)  # fmt: skip
    assert ran.code == 0, ran.err
    assert "ours: 2 of 2 clips measured; 1 sounds nobody asked for." in ran.out


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (["check", "none.jsonl"], "cannot read the manifest none.jsonl"),
        (["run", "none.jsonl", "--out", "run", "--reference"], "cannot read the manifest"),
        (["build", "none.jsonl", "-o", "x.txt"], "file ending"),
        (["build", "none.jsonl", "-o", "x.jsonl", "--filters", "smell"], "unknown filter 'smell'"),
        (["build", "none.jsonl", "-o", "x.jsonl", "--set", "shortest=no"], "shortest"),
        (["import", "csv", "none.csv", "-o", "x.jsonl"], "no folder at videos"),
        (["import", "csv", "none.csv", "-o", "x.jsonl", "--columns", "a=b"], "unknown field 'a'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    prismaudio: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = prismaudio("benchmark", *asked)
    assert outcome.code == 1
    assert problem in outcome.err
    assert outcome.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["stage-canvas", "import", "build", "check", "run"])
def test_every_command_has_help_with_examples(prismaudio: Command, name: str) -> None:
    shown = prismaudio("benchmark", name, "--help").out
    assert f"prismaudio benchmark {name} " in shown
    assert "Example" in shown
    assert "Exit codes" in shown
