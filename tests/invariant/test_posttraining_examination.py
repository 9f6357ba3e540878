"""Held-out scenes are sounded alike every time, the best weights are kept, and a gamed reward ends a run for good."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from mixture import PROMPTS, MixturePolicy, Nearness, pretrained
from torch import Tensor

from prismaudio.dimensions.plan import Plan
from prismaudio.evaluation.metrics.onsets import Matches
from prismaudio.posttraining.alarm import AlarmConfig
from prismaudio.posttraining.config import Guidance, PostTrainingConfig
from prismaudio.posttraining.examination import ExaminationConfig, Examiner, sounded
from prismaudio.posttraining.trainer import Trainer
from prismaudio.posttraining.truth import SceneTruth
from prismaudio.types import Audio

CONFIG = PostTrainingConfig(
    prompts=4,
    group=8,
    steps=8,
    guidance=Guidance(sampling=1, training=1, reference=1),
    rewards={"near": 1.0, "small": 0.0},
    learning_rate=3e-3,
    reference_weight=0.0,
    sampling_batch=32,
    micro_batch=256,
    average_every=1,
    iterations=12,
    checkpoint_every=5,
)
HELD_OUT = (4, 5)


class Points:
    """Plays a point as two samples, one for each ear."""

    names = ("near", "small")

    def __call__(self, latents: Tensor, prompts: Sequence[int]) -> Tensor:
        return Nearness()(latents, prompts)

    def play(self, latents: Tensor) -> list[Audio]:
        return [Audio(point, 100) for point in latents]

    def listener(self, sounds: Sequence[Audio], prompts: Sequence[int]) -> Tensor:
        return Nearness()(torch.stack([sound.samples[:, :1] for sound in sounds]), prompts)


class Rising(Points):
    """Likes every examination more than the one before."""

    def __init__(self) -> None:
        self.seen = 0

    def listener(self, sounds: Sequence[Audio], prompts: Sequence[int]) -> Tensor:
        self.seen += 1
        return torch.full((len(sounds), 2), 0.1 * self.seen)


class Falling:
    """A truth that likes every examination less than the one before, but for the first `good`."""

    plans = [Plan(duration=0.01)] * len(HELD_OUT)

    def __init__(self, good: int) -> None:
        self.good, self.seen = good, 0

    def scenes(self, sounds: Sequence[Audio]) -> list[SceneTruth]:
        self.seen += 1
        chance = 0.5 + 0.1 * self.seen if self.seen <= self.good else 0.4 - 0.01 * self.seen
        return [SceneTruth(Matches(1, 1, 1), (0.0,), chance, 1.0)] * len(sounds)

    def distance(self, sounds: Sequence[Audio]) -> float:
        return 10.0


class Kept:
    def __init__(self) -> None:
        self.iterations: list[int] = []

    def __call__(self, run: Trainer, first: Mapping[str, float], now: Mapping[str, float]) -> None:
        self.iterations.append(run.iteration)


def parts(
    folder: Path, rule: AlarmConfig, good: int = 2, judge: Points | None = None
) -> tuple[Trainer, Examiner, Kept, list[str]]:
    kept, said = Kept(), list[str]()
    run = Trainer(pretrained(), Points(), 4, CONFIG)
    examination = ExaminationConfig(every=2, listen=1)
    examiner = Examiner(
        judge or Rising(), HELD_OUT, Falling(good), folder, examination, rule, keep=kept, say=said.append
    )  # type: ignore[arg-type]  # no networks, no scenes
    return run, examiner, kept, said


def test_a_gamed_reward_ends_the_run_and_does_not_start_it_again(tmp_path: Path):
    """Gold is highest at 2 and falls at 4 and 6, while the reward rises: the second fall is the alarm."""
    run, examiner, kept, said = parts(tmp_path, AlarmConfig(stop=True))
    run.run(tmp_path, overseer=examiner)
    assert run.iteration == 6
    assert kept.iterations == [0, 2]
    assert len(said) == 1
    assert "alarm at iteration 6: the reward rose" in said[0]
    again, examiner, kept, said = parts(tmp_path, AlarmConfig(stop=True))
    again.run(tmp_path, overseer=examiner)
    assert (again.iteration, kept.iterations, said) == (6, [], [])
    assert [point.iteration for point in examiner.history] == [0, 2, 4, 6]


def test_without_stop_the_alarm_only_tells(tmp_path: Path):
    run, examiner, _, said = parts(tmp_path, AlarmConfig())
    run.run(tmp_path, overseer=examiner)
    assert run.iteration == 12
    assert [line.split(":")[0] for line in said] == [f"alarm at iteration {i}" for i in (6, 8, 10, 12)]
    lines = [json.loads(line) for line in (tmp_path / "evaluations.jsonl").read_text().splitlines()]
    assert [len(line["alarm"]) for line in lines] == [0, 0, 0, 1, 1, 1, 1]
    assert lines[-1]["reward"] == lines[-1]["near"]  # the other has no weight
    scenes = json.loads((tmp_path / "eval" / "00012" / "scenes.json").read_text())
    assert [set(scene) for scene in scenes] == [
        {"rewards", "onsets", "azimuth_errors", "class_chance", "quality"}
    ] * 2


def test_an_examination_that_was_not_saved_is_made_again(tmp_path: Path):
    """Interrupted after iteration 8, its checkpoint is of 5: 6 and 8 are examined twice and told of once."""
    run, examiner, _, _ = parts(tmp_path, AlarmConfig(), 99, Points())

    class Stopped(Exception):
        pass

    def interrupted(iteration: int, log: Mapping[str, float]) -> None:
        if iteration == 8:
            raise Stopped

    with pytest.raises(Stopped):
        run.run(tmp_path, interrupted, examiner)
    run, examiner, _, _ = parts(tmp_path, AlarmConfig(), 99, Points())
    run.run(tmp_path, overseer=examiner)
    lines = [json.loads(line) for line in (tmp_path / "evaluations.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [0, 2, 4, 6, 8, 10, 12]
    whole, other, _, _ = parts(tmp_path / "whole", AlarmConfig(), 99, Points())
    whole.run(tmp_path / "whole", overseer=other)
    assert [line["near"] for line in lines] == [figures["near"] for figures in other.figures]


def test_scenes_that_nobody_could_judge_have_no_reward_and_end_nothing(tmp_path: Path):
    class Silent(Points):
        def listener(self, sounds: Sequence[Audio], prompts: Sequence[int]) -> Tensor:
            return torch.full((len(sounds), 2), torch.nan)

    run, examiner, _, said = parts(tmp_path, AlarmConfig(stop=True), 99, Silent())
    run.run(tmp_path, overseer=examiner)
    assert run.iteration == 12
    assert all(point.reward != point.reward for point in examiner.history)
    assert said == []


def test_examinations_are_of_the_average_and_change_nothing(tmp_path: Path):
    run, _, _, _ = parts(tmp_path, AlarmConfig())
    run.iterate()
    before = {name: value.clone() for name, value in run.policy.state_dict().items()}
    together = sounded(run.policy, run.config, HELD_OUT, together=16)
    torch.testing.assert_close(sounded(run.policy, run.config, HELD_OUT, together=1), together)
    assert all(torch.equal(value, before[name]) for name, value in run.policy.state_dict().items())
    first, second, kept = (
        Examiner(Points(), HELD_OUT, Falling(9), tmp_path, ExaminationConfig(), AlarmConfig(), keep=Kept(), say=print)  # type: ignore[arg-type]
        for _ in range(3)
    )  # fmt: skip
    assert first.examine(run)["near"] == second.examine(run)["near"]
    run.average.put_into(run.policy)
    assert kept.examine(run)["near"] == first.examine(run)["near"]
    assert isinstance(run.policy, MixturePolicy)
    assert max(HELD_OUT) < PROMPTS
