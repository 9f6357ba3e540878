"""Experiments: what is planted in the files of runs is what the table, the costs and the pictures tell."""

import json
from pathlib import Path

import numpy as np
import pytest
from experiments.__main__ import EXPERIMENTS, costs, standing, table
from experiments.arms import COMMON, SIZES, Result, gathered
from experiments.curves import total
from experiments.ends import End, end_of
from experiments.measures import MEASURES, changes, onset_f1, weighted
from experiments.pictures import draw_alarm, draw_changes, draw_rewards

from prismaudio.posttraining.settings import RunConfig, read_settings

SCENES = 30
REWARDS = ("semantic", "temporal", "aesthetic", "spatial")


def scenes(better: float, seed: int = 0) -> list[dict[str, object]]:
    """Scenes whose class chance and semantic reward rise with `better`, whose azimuth error falls; nothing else moves."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(SCENES):
        base = float(rng.uniform(0.2, 0.4))
        found.append(
            {
                "rewards": dict.fromkeys(REWARDS, 0.5) | {"semantic": base + better, "spatial": float("nan")},
                "onsets": {"hits": 3, "found": 4, "true": 4},
                "azimuth_errors": [0.5 - better, 0.4 - better],
                "class_chance": base + better + float(rng.normal(0, 0.02)),
                "quality": 0.9,
            }
        )
    return found


def run(folder: Path, better: float, seconds: float) -> Result:
    """The files of a run of four iterations whose reward rises evenly."""
    iterations = range(1, 5)
    for iteration, share in ((0, 0.0), (4, 1.0)):
        place = folder / "eval" / f"{iteration:05d}"
        place.mkdir(parents=True)
        (place / "scenes.json").write_text(json.dumps(scenes(better * share)))
    seen = [
        {
            "iteration": n,
            "reward": 0.5 + better * n,
            **dict.fromkeys(REWARDS, 0.5 + better * n),
            "gold": 0.5,
            "fd": 100.0 + n,
            "alarm": [],
        }
        for n in (0, 4)
    ]
    log = [
        {
            "iteration": n,
            "evaluations_per_sound": 10.0,
            **{f"{name}/mean": 0.5 + better * n for name in REWARDS},
        }
        for n in iterations
    ]
    times = [{"iteration": n, "sampling": seconds, "judging": 0.5, "learning": 0.5} for n in iterations]
    for name, lines in (("evaluations", seen), ("log", log), ("times", times)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return gathered(folder.name, RunConfig(), folder)


@pytest.fixture
def results(tmp_path: Path) -> list[Result]:
    return [run(tmp_path / "quick", 0.1, 1.0), run(tmp_path / "slow", 0.05, 4.0)]


def test_a_planted_change_is_sure_and_what_did_not_move_is_none():
    found = changes(scenes(0.0), scenes(0.1))
    assert found["class chance"].difference.low > 0.08
    assert found["class chance"].p < 0.01
    assert found["azimuth error"].difference.value == pytest.approx(-0.1)
    assert found["onset F1"].difference.value == 0
    assert found["onset F1"].p == 1
    assert np.isnan(found["spatial reward"].after)
    assert found["semantic reward"].difference.value == pytest.approx(0.1)


def test_onsets_are_pooled_over_scenes():
    assert onset_f1(scenes(0.0)) == pytest.approx(0.75)


def test_the_table_holds_start_and_arms_and_stars_what_is_sure(results: list[Result]):
    lines = table(results)
    assert [line.split()[0] for line in lines[:4]] == ["arm", "start", "quick", "slow"]
    assert lines[2].count("*") == lines[3].count("*") == 3
    assert lines[2].endswith("104")


def test_ends_on_more_scenes_stand_for_the_examinations(tmp_path: Path):
    run(tmp_path / "arm", 0.1, 1.0)
    kept = tmp_path / "ends" / "start.json"
    kept.parent.mkdir()
    kept.write_text(json.dumps({"scenes": scenes(0.0, seed=1), "distance": 10.0}))
    start = end_of("nowhere", RunConfig(), 2 * SCENES, kept, tmp_path, "cpu", print)  # measured before
    ends = (start, End(scenes(0.2, seed=1), 12.0))
    result = gathered("arm", RunConfig(), tmp_path / "arm", ends)
    assert result.changes["azimuth error"].difference.value == pytest.approx(-0.2)
    assert result.record()["scenes"] == SCENES
    assert [line.split()[-1] for line in table([result])[1:3]] == ["10", "12"]
    assert result.examinations[-1]["fd"] == 104.0  # of the run, as before


def test_a_reward_that_could_not_be_given_does_not_count(results: list[Result]):
    before = total(results[0])[1]
    results[0].rewards[1]["spatial/mean"] = float("nan")
    assert total(results[0])[1] == pytest.approx(before)  # all rewards of this line are equal
    results[0].rewards[1]["semantic/mean"] = 0.0
    weights = results[0].settings.training.rewards
    known = weights["semantic"] + weights["temporal"] + weights["aesthetic"]
    assert total(results[0])[1] == pytest.approx(before * (1 - weights["semantic"] / known))


def test_costs_tell_when_the_reward_of_another_arm_was_reached(results: list[Result]):
    lines = [line.split() for line in costs(results)]
    assert lines[1][:3] == ["quick", "2.0", "10.0"]
    # on held-out scenes slow ends with 0.2 more, which quick has half-way: after two of its four iterations of 2 s
    assert lines[1][-2:] == ["8", "4"]
    assert lines[2][-2] == "never"
    assert lines[2][-1] == "20"


def test_the_first_arm_is_ahead_by_what_was_planted(results: list[Result]):
    """Semantic rewards of the two differ by 0.05 in every scene; spatial ones could not be given."""
    weights = results[0].settings.training.rewards
    share = weights["semantic"] / sum(weight for name, weight in weights.items() if name != "spatial")
    (line,) = standing(results)
    assert line.startswith(f"quick after 8 s, slow after 20 s: held-out reward {0.05 * share:+.4f} [")


def test_a_silent_scene_has_no_reward():
    silent = dict.fromkeys(REWARDS, float("nan"))
    assert np.isnan(weighted(silent, dict.fromkeys(REWARDS, 1.0)))


def test_pictures_are_drawn(results: list[Result], tmp_path: Path):
    draw_changes(results, tmp_path / "changes.png")
    draw_rewards(results, tmp_path / "rewards.png")
    draw_alarm(results[0], tmp_path / "alarm.png")
    for name in ("changes", "rewards", "alarm"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("size", SIZES)
def test_the_settings_of_every_arm_are_valid(size: str, tmp_path: Path):
    assert len(MEASURES) == 8
    for experiment in EXPERIMENTS.values():
        for arm in experiment.arms:
            given = [*COMMON, *SIZES[size], *experiment.changes, *arm.changes]
            config = read_settings(tmp_path / "none", "embedded", given, arm.rewards)
            assert config.held_out.split == "test"
            assert config.training.iterations % config.examination.every == 0
