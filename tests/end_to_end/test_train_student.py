"""From plans beside films to a student that is asked: the whole way on the command line, with a tiny model."""

import json
import sys
from pathlib import Path

import pytest
from command import Command
from teaching import write_taught

pytest.importorskip("trl", reason="the extra 'finetune' is not installed")
sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

import tiny_qwen

SMALL = ("tuning.batch=1", "tuning.workers=0", "tuning.checkpointing=false", "tuning.learning_rate=1e-2")


def test_films_teach_a_student(prismaudio: Command, tmp_path: Path) -> None:
    base, plans, run = tmp_path / "base", tmp_path / "plans.jsonl", tmp_path / "run"
    tiny_qwen.save(base)
    write_taught(tmp_path / "films", 3)
    assert prismaudio("annotate", tmp_path / "films", "-o", plans, "--planner", "file").code == 0
    shares = sorted(
        int(json.loads(line)["sha256"][:8], 16) / 16**8 for line in plans.read_text().splitlines()
    )
    chosen = [f"--set={setting}" for setting in (*SMALL, "longest=8", f"held_out={sum(shares[:2]) / 2}")]
    teaching = ("train", "planner", "--teacher", plans, "--base", base, "--out", run, "--steps", "2", *chosen)
    ran = prismaudio(*teaching)
    assert ran.code == 0, ran.err
    assert "1 held-out clips: 0% of the answers are plans" in ran.out
    assert ran.out.endswith(f"for --planner local:{run / 'weights' / 'video-llm'}\n")
    assert (run / "weights" / "video-llm" / "adapter_model.safetensors").is_file()
    assert json.loads((run / "video-llm" / "report.json").read_text())["clips"] == 1
    assert "batch = 1\n" in (run / "video-llm" / "config.toml").read_text()
    assert 'tune = "lora"\n' in (run / "video-llm" / "config.toml").read_text()


def test_mistakes_are_told(prismaudio: Command, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run")
    assert (
        "--teacher is for the job 'planner'" in prismaudio("train", "dit", *out, "--teacher", "p.jsonl").err
    )
    assert "--base and --tune go with --teacher" in prismaudio("train", "planner", *out, "--base", "x").err
    ran = prismaudio("train", "planner", *out, "--teacher", tmp_path / "none.jsonl")
    assert (ran.code, "cannot read" in ran.err) == (1, True)
    ran = prismaudio("train", "planner", *out, "--teacher", tmp_path / "none.jsonl", "--tune", "all")
    assert (ran.code, "tuning.tune" in ran.err) == (1, True)
