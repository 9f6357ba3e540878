"""Fixed held-out scenes, sounded again and again during a run: what can be heard of it, and what the alarm listens to.

Shapes: S scenes, R rewards.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from prismaudio.config import Config
from prismaudio.flow.sampler import sample
from prismaudio.flow.sde import choose_schedule
from prismaudio.media.audio import fit_length, write_audio
from prismaudio.posttraining.alarm import AlarmConfig, Point, best, findings
from prismaudio.posttraining.config import PostTrainingConfig
from prismaudio.posttraining.heard import Heard
from prismaudio.posttraining.policy import Policy
from prismaudio.posttraining.randomness import Purpose, normal
from prismaudio.posttraining.run_files import cut
from prismaudio.posttraining.sampling import in_precision
from prismaudio.posttraining.sharding import gathered
from prismaudio.posttraining.trainer import Trainer
from prismaudio.posttraining.truth import Truth, figures
from prismaudio.types import Audio

LOG = "evaluations.jsonl"


class ExaminationConfig(Config):
    """How often held-out scenes are sounded, and how they are played."""

    every: PositiveInt = 10  # iterations
    listen: NonNegativeInt = 8  # sounds that are written
    phase_rounds: PositiveInt | None = None  # of the embedded codec; None: its own
    together: PositiveInt = 16  # sounds made at a time


class Examiner:
    """An `Overseer` of a run: examines, keeps the best weights by gold, raises the alarm."""

    def __init__(  # noqa: PLR0913  # the parts of an examination
        self,
        judge: Heard,
        scenes: Sequence[int],
        truth: Truth,
        folder: Path,
        config: ExaminationConfig,
        rule: AlarmConfig,
        keep: Callable[[Trainer, Mapping[str, float], Mapping[str, float]], None],
        say: Callable[[str], None],
    ) -> None:
        """scenes: the numbers of held-out prompts of the policy, as many as `truth` knows.

        keep: is given the figures of the first and of the present examination whenever gold is the best so far.
        say: is told of the alarm.
        """
        self.judge, self.scenes, self.truth, self.folder = judge, scenes, truth, folder
        self.config, self.rule, self.keep, self.say = config, rule, keep, say
        self.history: list[Point] = []
        self.figures: list[dict[str, float]] = []

    def look(self, run: Trainer) -> bool:
        """Examine if it is time; -> whether the run shall end."""
        if run.iteration % self.config.every == 0 and not self._examined(run.iteration):
            if run.team.leads:
                cut(self.folder / LOG, run.iteration)
            self.figures.append(run.team.leaders(self.examine(run)))
            self.history.append(self._point(run))
            if run.team.leads:
                self._tell(run)
            if best(self.history, self.rule) is self.history[-1]:
                self.keep(run, self.figures[0], self.figures[-1])
        return self.rule.stop and bool(findings(self.history, self.rule))

    def examine(self, run: Trainer) -> dict[str, float]:
        """Sound all scenes with the averaged weights, without noise on the way, and measure; -> the leader's figures."""
        with run.average.at_work(run.policy), gathered(run.policy):
            if not run.team.leads:
                return {}
            latents = sounded(run.policy, run.config, self.scenes, self.config.together)
        found = measured(latents, self.judge, self.truth, self.scenes)
        self._write(run.iteration, found.sounds, found.records)
        return found.figures

    def state_dict(self) -> dict[str, Any]:
        return {"history": [list(point) for point in self.history], "figures": self.figures}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.history = [Point(*values) for values in state["history"]]
        self.figures = [dict(figures) for figures in state["figures"]]

    def _examined(self, iteration: int) -> bool:
        return bool(self.history) and self.history[-1].iteration == iteration

    def _point(self, run: Trainer) -> Point:
        seen = self.figures[-1]
        weights = {name: weight for name, weight in run.config.rewards.items() if weight}
        known = {name: weight for name, weight in weights.items() if seen[name] == seen[name]}
        total = sum(weight * seen[name] for name, weight in known.items())
        reward = total / sum(known.values()) if known else float("nan")  # of scenes nobody could judge
        return Point(run.iteration, reward, seen["gold"], seen["fd"])

    def _tell(self, run: Trainer) -> None:
        why = findings(self.history, self.rule)
        line = {
            "iteration": run.iteration,
            "reward": self.history[-1].reward,
            **self.figures[-1],
            "alarm": why,
        }
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for reason in why:
            self.say(f"alarm at iteration {run.iteration}: {reason}")

    def _write(self, iteration: int, sounds: Sequence[Audio], records: Sequence[Mapping[str, Any]]) -> None:
        folder = self.folder / "eval" / f"{iteration:05d}"
        beside = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        for number, sound in enumerate(sounds[: self.config.listen]):
            write_audio(beside / f"{number:03d}.flac", sound)
        (beside / "scenes.json").write_text(json.dumps(list(records), indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)


class Measured(NamedTuple):
    """What was heard of held-out scenes."""

    sounds: list[Audio]
    records: list[dict[str, Any]]  # of each scene, for a JSON file
    figures: dict[str, float]  # of all together


def measured(latents: Tensor, judge: Heard, truth: Truth, scenes: Sequence[int]) -> Measured:
    """latents: (S, C, T) of the held-out prompts `scenes`, which are those of `truth`, in this order"""
    played = zip(judge.play(latents), truth.plans, strict=True)
    sounds = [fit_length(sound, plan.duration) for sound, plan in played]
    rewards = judge.listener(sounds, scenes)
    heard = truth.scenes(sounds)
    means = dict(zip(judge.names, rewards.double().nanmean(dim=0).tolist(), strict=True))
    records = [
        {"rewards": dict(zip(judge.names, row, strict=True)), **scene.record()}
        for row, scene in zip(rewards.tolist(), heard, strict=True)
    ]
    return Measured(sounds, records, {**means, **figures(heard), "fd": truth.distance(sounds)})


@torch.no_grad()
def sounded(policy: Policy, config: PostTrainingConfig, prompts: Sequence[int], together: int) -> Tensor:
    """The sounds a user would get, each from its own fixed noise: (S, ...) latents."""
    device = next(policy.parameters()).device
    times = torch.tensor(choose_schedule(config.schedule)(config.steps), dtype=torch.float32)
    parts = []
    for first in range(0, len(prompts), together):
        some = prompts[first : first + together]
        noise = torch.stack(
            [normal(policy.latent_shape, config.seed, Purpose.EXAMINATION, prompt) for prompt in some]
        ).to(device)
        rows = torch.arange(len(some), device=device)
        with in_precision(config, device):
            prepared = policy.prepare(policy.conditions(some))

        def velocity(x: Tensor, t: Tensor, rows: Tensor = rows, prepared: Any = prepared) -> Tensor:
            with in_precision(config, device):
                now = t.to(x).expand(len(x))
                return policy.velocity(x, now, prepared, rows, config.guidance.sampling).float()

        parts.append(sample(velocity, noise, times))
    return torch.cat(parts)
