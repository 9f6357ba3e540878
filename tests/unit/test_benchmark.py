"""The benchmark: the truth is the ceiling, shuffled sounds the floor, failures are counted, and the files are whole."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.benchmark import (
    BenchmarkConfig,
    NameTaken,
    UnusableSound,
    run_stage_benchmark,
    true_sound,
    usable,
)
from prismaudio.evaluation.metrics.direction import Direction
from prismaudio.evaluation.metrics.onsets import Matches
from prismaudio.evaluation.report import Report, SystemReport
from prismaudio.evaluation.scores import STATISTICS, SceneScores, per_class
from prismaudio.models.sound_classifier import SoundClassifier
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.scene import Scene, StageConfig
from prismaudio.types import Audio, Frames

CLASSES = ("hammer", "drum", "mining_pick")
COUNT = 6


class Wire:
    """A codec that changes nothing."""

    sample_rate = 44100
    latent_channels = 2
    hop = 2048

    def encode(self, audio: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        return audio

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents


def mirrored(scene: Scene, frames: Frames | None, plan: Plan, index: int) -> Audio:
    return Audio(true_sound(scene, frames, plan, index).samples.flip(0), 44100)


def silent(scene: Scene, frames: Frames | None, plan: Plan, index: int) -> Audio:
    """Gives up on scene 1, and makes scene 2 too short; looks at the pictures."""
    assert frames is not None
    assert len(frames.images) == round(scene.duration * 25)
    if index == 1:
        raise PrismAudioError("no idea for this one")
    return Audio(torch.zeros(2, round(plan.duration * 44100) // (2 if index == 2 else 1)), 44100)


@pytest.fixture(scope="module")
def report() -> Report:
    corpus = Corpus.load()
    corpus = replace(
        corpus,
        recordings=tuple(
            r for r in corpus.recordings if r.class_name in CLASSES and r.split in ("train", "test")
        ),
    )
    torch.manual_seed(0)
    config = BenchmarkConfig(
        count=COUNT,
        recordings=3,
        bootstrap_rounds=50,
        stage=StageConfig(
            shortest=2.0, longest=2.4, ambience=0.0, off_screen=0.0, distractor=0.0, moving=0.0, cut=0.0
        ),
    )
    return run_stage_benchmark(
        {"mirrored": mirrored, "silent": silent},
        corpus,
        config,
        codec=Wire(),
        classifier=SoundClassifier(tuple(corpus.classes), width=8).eval(),
        made_by={"silent": {"sound": "nobody"}},
    )


def system(report: Report, name: str) -> SystemReport:
    return next(s for s in report.systems if s.name == name)


def test_the_truth_is_above_its_shuffle_and_equals_a_perfect_codec(report: Report) -> None:
    truth, codec, shuffled = (system(report, n).measures for n in ("truth", "codec", "truth, shuffled"))
    assert truth["onset F1"].value > shuffled["onset F1"].value + 0.3
    assert truth["left-right"].value > 0.8
    assert truth == codec


def test_mirrored_ears_sound_on_time_but_from_the_wrong_side(report: Report) -> None:
    truth, mirror = (system(report, n).measures for n in ("truth", "mirrored"))
    assert mirror["onset F1"] == truth["onset F1"]
    for by in ("left-right", "by level", "by delay"):
        assert mirror[by].value == pytest.approx(-truth[by].value, abs=0.02)


def test_failures_are_counted_and_explained_not_scored(report: Report) -> None:
    found = system(report, "silent")
    assert found.decoded == COUNT - 2
    assert found.failures[1] == "no idea for this one"
    assert "s for a scene of" in found.failures[2]
    assert found.measures["onset F1"].value == 0
    assert found.measures["class top-5"].value == 0
    assert system(report, "truth").decoded == system(report, "truth, shuffled").decoded == COUNT


def test_json_and_table_say_what_was_measured(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.save(path)
    values = json.loads(path.read_text())
    assert [s["name"] for s in values["systems"]][:3] == ["truth", "truth, shuffled", "codec"]
    assert values["settings"]["count"] == COUNT
    assert values["settings"]["onset_detector"]["lag"] > 0
    assert values["made_by"] == {"silent": {"sound": "nobody"}}
    assert values["reconstruction"]["share_within"][0] == 1
    assert set(values["systems"][0]["classes"]) <= set(CLASSES)
    assert sorted(values["judge_accuracy"]) == ["top1", "top5"]
    assert list(tmp_path.iterdir()) == [path]
    lines = report.table().splitlines()
    column = lines[0].index("class top-1")
    assert all(line[column].isdigit() for line in lines[1 : len(report.systems) + 2])
    assert lines[1].startswith("truth ")
    assert "silent: sound by nobody." in lines
    assert any(line.startswith("chance") for line in lines)


def test_a_system_may_not_take_the_name_of_a_reference() -> None:
    with pytest.raises(NameTaken, match="truth"):
        run_stage_benchmark(
            {"truth": mirrored}, Corpus.load(), classifier=SoundClassifier(("a",), width=8).eval()
        )


@pytest.mark.parametrize(
    ("samples", "rate", "problem"),
    [
        (torch.zeros(1, 44100), 44100, "shape"),
        (torch.zeros(2, 48000), 48000, "Hz"),
        (torch.zeros(2, 88200), 44100, "2.00 s"),
        (torch.full((2, 44100), float("nan")), 44100, "no numbers"),
    ],
)
def test_what_cannot_be_measured_is_refused(samples: torch.Tensor, rate: int, problem: str) -> None:
    with pytest.raises(UnusableSound, match=problem):
        usable(Audio(samples, rate), 1.0)


def test_a_sound_a_little_short_is_filled_with_silence() -> None:
    assert usable(Audio(torch.ones(2, 43000), 44100), 1.0).samples.shape == (2, 44100)


def scores(*classes: str, heard: tuple[str, ...] = (), struck: bool = True) -> SceneScores:
    return SceneScores(Matches(1, 2, 2), struck, [Direction(0.1, 0.2, 0.4)], frozenset(classes), heard)


def test_any_class_of_a_scene_counts_and_each_is_reported_alone() -> None:
    scenes = [
        scores("dog", "cat", heard=("cow", "dog", "cat")),
        scores("cat", heard=("dog", "cow"), struck=False),
    ]
    assert STATISTICS["class top-1"](scenes) == 0
    assert STATISTICS["class top-5"](scenes) == 0.5
    found = per_class(scenes)
    assert (found["cat"].scenes, found["cat"].top5) == (2, 0.5)
    assert (found["dog"].scenes, found["dog"].top5) == (1, 1.0)
    assert STATISTICS["struck onset F1"](scenes) == 0.5
    assert scenes[0].directions[0].combined == pytest.approx(0.3)


def test_what_no_scene_tells_is_not_a_number() -> None:
    assert all(value != value for value in (of([]) for of in STATISTICS.values()))
