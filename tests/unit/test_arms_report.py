"""What the thoughts are worth: differences between arms over the same scenes."""

import json

import numpy as np
import pytest
import torch

from prismaudio.dimensions.arms import Arm
from prismaudio.evaluation.arms import ArmsConfig, ArmSounds, ArmsReport, comparisons
from prismaudio.evaluation.benchmark import BenchmarkConfig, Entrant
from prismaudio.evaluation.metrics.onsets import Matches
from prismaudio.evaluation.scores import SceneScores
from prismaudio.generation.options import Options
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.models.sound_classifier import SoundClassifier
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.render import render
from prismaudio.stage.scene import StageConfig, draw_scene
from prismaudio.types import Audio

SCENES = 30
CONFIG = ArmsConfig(scenes=BenchmarkConfig(count=SCENES), rounds=1000)


def scored(found: int, named: bool) -> SceneScores:
    """Four onsets, of which some were found; and a class that was recognised or not."""
    return SceneScores(
        onsets=Matches(found, 4, 4),
        struck_only=True,
        directions=[],
        classes=frozenset({"dog"}),
        heard=("dog",) if named else ("cat",),
    )


def entrant(arm: Arm, scores: dict[int, SceneScores]) -> Entrant:
    made = Entrant(arm.value, lambda *_: Audio(torch.zeros(2, 1), 44100), SoundClassifier(("dog", "cat"), 4))
    made.scores = scores
    return made


@pytest.fixture
def entrants() -> dict[Arm, Entrant]:
    rng = np.random.default_rng(0)
    well = {n: scored(int(rng.integers(3, 5)), named=True) for n in range(SCENES)}
    poor = {n: scored(int(rng.integers(0, 2)), named=True) for n in range(SCENES)}
    return {
        Arm.NONE: entrant(Arm.NONE, poor),
        Arm.RANDOM: entrant(Arm.RANDOM, dict(well)),
        Arm.DECOMPOSED: entrant(Arm.DECOMPOSED, well),
    }


def gains(entrants: dict[Arm, Entrant]) -> dict[tuple[Arm, str], tuple[float, float]]:
    return {(c.arm, c.figure): (c.gain.value, c.p) for c in comparisons(entrants, CONFIG)}


def test_a_better_arm_gains_and_an_equal_one_does_not(entrants: dict[Arm, Entrant]):
    found = gains(entrants)
    assert found[Arm.NONE, "onset F1"][0] > 0.5
    assert found[Arm.NONE, "onset F1"][1] < 0.05
    assert found[Arm.NONE, "class top-1"] == (0.0, 1.0)
    assert found[Arm.RANDOM, "onset F1"] == (0.0, 1.0)


def test_only_scenes_that_both_sounded_count(entrants: dict[Arm, Entrant]):
    """Scenes in which an arm failed would compare other scenes with each other."""
    best = {n: scored(4, named=True) for n in range(SCENES)}
    entrants[Arm.DECOMPOSED].scores = {n: scores for n, scores in best.items() if n >= 10}
    entrants[Arm.RANDOM].scores = {n: scored(4 if n >= 10 else 0, named=True) for n in range(20)}
    assert gains(entrants)[Arm.RANDOM, "onset F1"] == (0.0, 1.0)


def test_the_table_holds_every_arm_and_every_gain(entrants: dict[Arm, Entrant]):
    report = ArmsReport(
        arms=tuple(entrant.report(CONFIG.scenes) for entrant in entrants.values()),
        comparisons=tuple(comparisons(entrants, CONFIG)),
        settings=CONFIG,
    )
    lines = report.table().splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["none", "random", "decomposed"]
    assert sum(line.startswith("none") for line in lines) == 1 + 4
    assert json.loads(report.model_dump_json())["settings"]["rounds"] == 1000


def test_arms_of_one_scene_are_made_together_and_differ(monkeypatch: pytest.MonkeyPatch):
    """From the same noise and picture, so that only what was told can differ."""
    corpus = Corpus.load()
    model = VideoToAudio.from_pretrained("embedded")
    scene = draw_scene(0, 1, "test", corpus, StageConfig(shortest=2.0, longest=2.0))
    frames = render(scene, 160, 112)
    sounds = ArmSounds(model, (Arm.NONE, Arm.DECOMPOSED), Options(steps=2))
    plan = scene.plan(corpus)
    whole = sounds.of(Arm.DECOMPOSED)(scene, frames, plan, 5).samples
    monkeypatch.setattr(model, "batch", None)  # the other arm is there already
    nothing = sounds.of(Arm.NONE)(scene, frames, plan, 5).samples
    monkeypatch.undo()
    alone = model(frames, plan=plan, seed=5, steps=2, arm="none").audio.samples
    assert (whole - nothing).abs().mean() > 0.01 * whole.abs().mean()
    torch.testing.assert_close(nothing, alone, atol=1e-3, rtol=0)
