"""What choosing gains, from scenes whose takes were measured: sure where it is planted, nothing where it is not."""

import math

import numpy as np
import pytest
import torch

from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.scoring import Panel, Weights
from prismaudio.evaluation.benchmark import BenchmarkConfig, tasks, true_sound
from prismaudio.evaluation.candidates import (
    CandidatesConfig,
    CandidatesReport,
    Gain,
    Measures,
    chosen,
    gains,
    mean,
)
from prismaudio.evaluation.sound_classifier import load_classifier
from prismaudio.generation.cards import FIGURES, Rules
from prismaudio.generation.options import Options
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.scene import StageConfig
from prismaudio.types import Audio

NAN = math.nan
CONFIG = CandidatesConfig(rounds=2000)


def scenes(count: int = 30, takes: int = 8) -> list[list[dict[str, float]]]:
    """In every take the onsets follow the temporal reward; the azimuth has nothing to do with it."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        scene = []
        for _ in range(takes):
            rewards = dict(zip(DIMENSIONS, rng.random(4), strict=True))
            total = float(np.mean(list(rewards.values())))
            scene.append(
                rewards | {"total": total, "onset F1": rewards["temporal"] / 2, "azimuth error": rng.random()}
            )
        found.append(scene)
    return found


def by_figure(found: list[Gain], by: str) -> dict[str, Gain]:
    return {gain.figure: gain for gain in found if gain.chosen_by == by}


def test_a_planted_gain_is_found_and_what_is_unrelated_gains_nothing():
    found = by_figure(gains(scenes(), CONFIG), "temporal")
    onsets, azimuth = found["onset F1"], found["azimuth error"]
    assert onsets.gain.value == pytest.approx(onsets.chosen - onsets.single)
    # the largest of 8 uniform numbers is 8/9, one of them 1/2
    assert onsets.gain.value == pytest.approx((8 / 9 - 1 / 2) / 2, abs=0.02)
    assert onsets.gain.low > 0.15
    assert onsets.p < 0.01
    assert azimuth.p > 0.05
    assert azimuth.gain.low < 0 < azimuth.gain.high


def test_choosing_by_the_total_raises_every_part_of_it():
    found = by_figure(gains(scenes(60), CONFIG), "total")
    assert all(found[name].gain.low > 0 for name in FIGURES)


def test_takes_without_a_figure_count_neither_as_one_nor_as_the_best():
    scene = [{"total": NAN, "x": 1.0}, {"total": 0.5, "x": NAN}, {"total": 0.2, "x": 3.0}]
    assert chosen(scene, "total", Weights()) is scene[1]
    assert mean(scene, "x") == 2
    assert chosen([{"total": NAN}], "total", Weights()) is None
    assert math.isnan(mean([{"total": NAN}], "total"))


def test_scenes_in_which_nothing_could_be_judged_do_not_count():
    known = scenes(5)
    for take in known[0]:
        take["spatial"] = NAN
    found = by_figure(gains(known, CONFIG), "spatial")
    assert {gain.scenes for gain in found.values()} == {4}
    assert by_figure(gains(known, CONFIG), "temporal")["spatial"].scenes == 4


def test_a_figure_that_nobody_has_is_left_out():
    known = scenes(3)
    for take in (take for scene in known for take in scene):
        take["semantic"] = NAN
    assert "semantic" not in by_figure(gains(known, CONFIG), "total")
    assert by_figure(gains(known, CONFIG), "semantic") == {}
    assert gains([], CONFIG) == []


def test_the_table_holds_every_figure_and_every_choice():
    report = CandidatesReport(
        gains=tuple(gains(scenes(), CONFIG)),
        takes=(),
        rules=Rules.of(Panel({}), Weights()),
        settings=CONFIG,
        options=Options(),
        made_by={},
    )
    table = report.table()
    (first, second, _) = table.split("\n\n")
    assert first.splitlines()[0].split("  ")[0] == "chosen by total"
    assert len(first.splitlines()) == len(second.splitlines()) == 1 + 7
    assert "azimuth error (-)" in first
    assert second.splitlines()[2].count("*") == 3  # temporal: by itself, and by both that hold it


def test_the_true_sound_is_where_and_when_it_should_be_and_silence_is_not():
    """A scene in which all that sounds is struck."""
    corpus, measures = Corpus.load(), Measures(load_classifier())
    config = BenchmarkConfig(
        count=20, seed=3, stage=StageConfig(off_screen=0, ambience=0, distractor=0, shortest=3, longest=3)
    )
    task = next(task for task in tasks(corpus, config, pictures=True) if task.struck_only)
    true = true_sound(task.scene, task.frames, task.plan, task.index)
    found = measures(true, task, true)
    silent = measures(Audio(torch.zeros_like(true.samples), true.sample_rate), task, true)
    assert found["itd_gcc, true sound"] == pytest.approx(1)
    assert found["proxy_spatial"] == pytest.approx(1)
    assert found["azimuth error"] < 0.2
    assert found["proxy_quality"] > 0.5
    assert found["onset F1"] > silent["onset F1"]
    assert 0 <= found["class probability"] <= 1
    assert silent["proxy_quality"] == silent["class top-5"] == silent["proxy_sync"] == 0
