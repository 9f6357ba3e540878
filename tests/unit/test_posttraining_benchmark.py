"""The benchmark of post-training, from end to end."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks lie beside the package

from benchmarks import posttraining as benchmark


def test_the_cost_of_a_group_is_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """The benchmark from end to end, on the smallest networks; a window of mean cost."""
    names = ["fast-grpo", "flow-grpo", "nft"]
    out = tmp_path / "cost.json"
    benchmark.main(
        [
            "--size",
            "tiny",
            "--device",
            "cpu",
            "--group",
            "4",
            "--steps",
            "4",
            "--rounds",
            "1",
            "--out",
            str(out),
        ]
        + ["--algorithms", *names]
    )
    rows = json.loads(out.read_text())["rows"]
    assert [row["algorithm"] for row in rows] == names
    assert [row["evaluations per sound"] for row in rows] == [2 * (1 / 2 + 3), 2 * 4, 2 * 4]
    assert all(row["make"]["seconds"] > 0 and row["learn"]["seconds"] > 0 for row in rows)
    assert "| fast-grpo |" in capsys.readouterr().out
