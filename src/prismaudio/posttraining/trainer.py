"""Post-training as one loop: make sounds, have them judged, weigh them against each other, learn.

Everything random is a function of (seed, iteration, prompt), so a run that was interrupted goes on bit for bit.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from prismaudio.posttraining.advantage import RewardStatistics, reward_statistics
from prismaudio.posttraining.algorithm import Algorithm, choose_algorithm
from prismaudio.posttraining.balance import Balance
from prismaudio.posttraining.config import PostTrainingConfig
from prismaudio.posttraining.items import PPO, Guard
from prismaudio.posttraining.lora import add_adapters, merge_adapters
from prismaudio.posttraining.objective import clamp
from prismaudio.posttraining.policy import Judge, Policy
from prismaudio.posttraining.rollout import Trajectory
from prismaudio.posttraining.route import Tail
from prismaudio.posttraining.run_files import UnusableRun as UnusableRun
from prismaudio.posttraining.run_files import cut, read_checkpoint, write_checkpoint
from prismaudio.posttraining.sampling import choose_prompts, sample_groups
from prismaudio.posttraining.sharding import gathered, part_of_optimizer, shard, whole
from prismaudio.posttraining.team import Team
from prismaudio.posttraining.update import Update
from prismaudio.posttraining.weights import Weights, old_decay, warm_decay
from prismaudio.posttraining.window import NoWindow, RandomWindow

Log = dict[str, float]


class Overseer(Protocol):
    """Somebody who looks at a run from time to time, and may end it."""

    def look(self, run: "Trainer") -> bool:
        """Before the first iteration and after each, in every process; -> whether the run shall end."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What is kept in checkpoints."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


class Trainer:
    """A policy, its judges, and where the run stands.

    `policy` must come with its start weights, also where the run is resumed: they are the reference. Its trainable
    parameters are changed in place; with `config.adapters` it gets those first.
    """

    def __init__(
        self,
        policy: Policy,
        judge: Judge,
        prompts: int,
        config: PostTrainingConfig,
        algorithm: Algorithm | None = None,
        team: Team | None = None,
    ) -> None:
        """prompts: how many the policy knows, numbered from 0. algorithm: default, that of the config's name.

        team: default, this process alone. In a team every process has its own policy with the same weights.
        """
        if config.adapters is not None:
            add_adapters(policy, config.adapters.rank, config.adapters.alpha, config.seed)
        self.policy, self.judge, self.available, self.config = policy, judge, prompts, config
        self.algorithm = algorithm or chosen_algorithm(config)
        self.team = team or Team()
        self.weights = _ordered(config.rewards, judge.names)
        self.balance = Balance(config.balance, len(judge.names))
        _check_guidance(config, self.algorithm)
        self.start = fingerprint(policy)
        if config.sharded:
            _shard(policy, self.team, config)
        self.optimizer = torch.optim.AdamW(
            [value for value in policy.parameters() if value.requires_grad],
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
        )
        self.reference = self._reference()
        self.average = Weights(policy)
        self.old = Weights(policy) if self.algorithm.sampled_by == "old" else None
        self.overseer: Overseer | None = None
        self.seconds: dict[str, float] = {}  # that the parts of the last iteration took
        self.iteration = 0
        self.steps = 0
        self.update = Update(
            policy, self.optimizer, self.algorithm, config, self.reference, self.team, self._stepped
        )

    def run(
        self,
        folder: Path,
        report: Callable[[int, Log], None] = lambda iteration, log: None,
        overseer: Overseer | None = None,
    ) -> None:
        """Go on until `config.iterations`, from `folder/checkpoint.pt` if it is there; a line of log per iteration."""
        self.overseer = overseer
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = folder / "checkpoint.pt"
        if checkpoint.exists():
            self.load_state_dict(read_checkpoint(checkpoint))
        self.team.wait()
        if self.team.leads:
            cut(folder / "log.jsonl", self.iteration + 1)
        ends = self._overseen()
        while self.iteration < self.config.iterations and not ends:
            log = self.iterate()
            ends = self._overseen()
            self._record(folder, checkpoint, log, last=ends)
            if self.team.leads:
                report(self.iteration, log)
        self.team.wait()

    def _overseen(self) -> bool:
        return self.overseer is not None and self.overseer.look(self)

    def iterate(self) -> Log:
        """One round; -> its figures."""
        iteration, before = self.iteration, self.steps
        everyones = choose_prompts(self.available, self.config, iteration)
        prompts = self.team.share(everyones)
        clock = [time.perf_counter()]
        trajectory = self._sample(iteration, prompts)
        clock.append(time.perf_counter())
        rewards = self.team.everyones(self._judged(trajectory))
        clock.append(time.perf_counter())
        groups = torch.tensor(everyones).repeat_interleave(self.config.group)
        seen = reward_statistics(rewards, groups)
        weights = self.balance(self.weights, seen)
        advantages = clamp(self.algorithm.advantage(rewards, weights, groups), self.config.advantage_limit)
        items = self.update.items(trajectory, iteration, prompts, self.old)
        first, count = self.team.rank * len(trajectory.final), len(trajectory.final)
        mine = advantages[first : first + count].to(trajectory.final)
        figures = self.update(items, mine, iteration)
        assert self.steps - before == self.config.updates, "as many optimiser steps as were asked for"
        if self.old is not None:
            self.old.follow(self.policy, old_decay(iteration, self.config.old_decay))
        clock.append(time.perf_counter())
        spans = [after - start for start, after in pairwise(clock)]
        self.seconds = dict(zip(("sampling", "judging", "learning"), spans, strict=True))
        self.iteration += 1
        spent = torch.tensor(trajectory.evaluations, dtype=torch.float64)
        return {
            **self._reward_figures(seen, weights),
            **figures,
            "advantage_size": float(advantages.abs().mean()),
            "evaluations_per_sound": float(self.team.summed(spent)) / len(rewards),
        }

    def finish(self) -> None:
        """Give the policy its averaged weights, adapters merged: what is to be saved. The run ends with this."""
        self.average.put_into(self.policy)
        merge_adapters(self.policy)

    def state_dict(self) -> dict[str, Any]:
        """All that the next iteration depends on."""
        return {
            "iteration": self.iteration,
            "steps": self.steps,
            "start": self.start,
            "config": self._decisive(),
            "policy": Weights(self.policy).state_dict(),
            "average": self.average.state_dict(),
            "old": None if self.old is None else self.old.state_dict(),
            "optimizer": whole(self.optimizer.state_dict()),
            "balance": self.balance.state_dict(),
            "overseer": None if self.overseer is None else self.overseer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there; raises `UnusableRun` if it is of another start or other settings."""
        if state["config"] != self._decisive():
            raise UnusableRun("the checkpoint is of a run with other settings; choose another folder")
        if state["start"] != self.start:
            raise UnusableRun("the checkpoint is of a run from another start model; choose another folder")
        present = Weights(self.policy)
        present.load_state_dict(state["policy"])
        present.put_into(self.policy)
        self.average.load_state_dict(state["average"])
        if self.old is not None:
            self.old.load_state_dict(state["old"])
        parameters = self.optimizer.param_groups[0]["params"]
        self.optimizer.load_state_dict(part_of_optimizer(state["optimizer"], parameters))
        self.balance.load_state_dict(state["balance"])
        if self.overseer is not None and state["overseer"] is not None:
            self.overseer.load_state_dict(state["overseer"])
        self.iteration, self.steps = state["iteration"], state["steps"]

    def _record(self, folder: Path, checkpoint: Path, log: Log, *, last: bool) -> None:
        if self.team.leads:
            with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"iteration": self.iteration, **log}) + "\n")
        last = last or self.iteration == self.config.iterations
        if last or self.iteration % self.config.checkpoint_every == 0:
            state = self.state_dict()  # which all processes must ask for
            if self.team.leads:
                write_checkpoint(checkpoint, state)

    def _sample(self, iteration: int, prompts: Sequence[int]) -> Trajectory:
        other = nullcontext() if self.old is None else self.old.at_work(self.policy)
        with other, gathered(self.policy):
            return sample_groups(self.policy, self.algorithm, self.config, iteration, prompts)

    @torch.no_grad()
    def _judged(self, trajectory: Trajectory) -> Tensor:
        """(N, R) float64 on the CPU; a batch of sounds at a time."""
        size, prompts = self.config.sampling_batch, trajectory.prompts.tolist()
        parts = [
            self.judge(trajectory.final[first : first + size], prompts[first : first + size])
            for first in range(0, len(prompts), size)
        ]
        rewards = torch.cat([part.cpu().double() for part in parts])
        if rewards.shape != (len(prompts), len(self.judge.names)):
            raise UnusableRun(
                f"rewards of shape {tuple(rewards.shape)} for {len(prompts)} sounds and "
                f"{len(self.judge.names)} rewards; a judge must return one row per sound"
            )
        return torch.where(rewards.isinf(), torch.nan, rewards)

    def _reward_figures(self, seen: RewardStatistics, weights: Tensor) -> Log:
        figures: Log = {}
        for place, name in enumerate(self.judge.names):
            figures[f"{name}/weight"] = float(weights[place])
            for kind in ("mean", "spread", "zero_spread", "failed"):
                figures[f"{name}/{kind}"] = float(getattr(seen, kind)[place])
            for other in range(place):
                pair = f"{self.judge.names[other]}-{name}"
                figures[f"correlation/{pair}"] = float(seen.correlation[other, place])
        return figures

    def _stepped(self) -> None:
        self.steps += 1
        if self.steps % self.config.average_every == 0:
            self.average.follow(self.policy, warm_decay(self.steps - 1, self.config.average_decay))

    def _reference(self) -> Weights | None:
        if self.config.reference_weight == 0:
            return None
        device = self.config.reference_device
        dtype: torch.dtype = getattr(torch, self.config.reference_dtype)
        return Weights(self.policy, dtype, None if device is None else torch.device(device))

    def _decisive(self) -> str:
        """The settings that decide what a run computes."""
        settings = self.config.model_dump(exclude={"iterations", "checkpoint_every", "sharded"}, mode="json")
        return json.dumps({**settings, "algorithm": repr(self.algorithm)}, sort_keys=True)


def chosen_algorithm(config: PostTrainingConfig) -> Algorithm:
    """The one of the config's name, with its window, starts and tail where it gives them; raises where a group cannot be
    made of so many starts. Without noise on the way, sounds of one start would be the same: there each has its own.
    """
    algorithm = choose_algorithm(config.algorithm)
    draws = not isinstance(algorithm.window, NoWindow)
    if config.starts is not None and draws:
        algorithm = replace(algorithm, starts=config.starts)
    if config.window is not None and draws:
        algorithm = replace(algorithm, window=RandomWindow(**config.window.model_dump()))
    if config.tail is not None:
        algorithm = replace(algorithm, tail=Tail(config.tail))
    algorithm.branch(config.group)
    return algorithm


def _shard(policy: Policy, team: Team, config: PostTrainingConfig) -> None:
    if team.accelerator is None:
        raise UnusableRun("there is nothing to split a single process over; use `accelerate launch`")
    if config.adapters is not None:
        raise UnusableRun("adapters are too small to be split; leave training.sharded out")
    shard(policy, team.size)


def fingerprint(policy: Policy) -> str:
    """Of the trainable weights, to know a start model by."""
    digest = hashlib.sha256()
    for name, value in Weights(policy, torch.float32, torch.device("cpu")).tensors.items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _ordered(weights: Mapping[str, float], names: Sequence[str]) -> Tensor:
    if set(weights) != set(names) or len(set(names)) != len(names):
        raise UnusableRun(
            f"weights are given for {', '.join(sorted(weights))}, rewards are {', '.join(names)}; "
            "give every reward a weight (0 to watch it only)"
        )
    return torch.tensor([weights[name] for name in names], dtype=torch.float64)


def _check_guidance(config: PostTrainingConfig, algorithm: Algorithm) -> None:
    """A likelihood ratio is of one policy, and its guidance is part of it."""
    scales = config.guidance
    if isinstance(algorithm.objective, PPO | Guard) and scales.sampling != scales.training:
        raise UnusableRun(
            f"sounds made with guidance {scales.sampling:g} cannot be learned from with {scales.training:g} by "
            f"{algorithm.name}; make guidance.sampling and guidance.training equal"
        )
