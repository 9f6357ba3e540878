"""One iteration's learning: from sounds and what they were worth to a few optimiser steps.

Shapes: N sounds, M items.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from prismaudio.errors import PrismAudioError
from prismaudio.posttraining.algorithm import Algorithm
from prismaudio.posttraining.config import PostTrainingConfig
from prismaudio.posttraining.items import (
    AWM,
    NFT,
    MatchItems,
    StepItems,
    divergence,
    match_items,
    select,
    step_items,
)
from prismaudio.posttraining.objective import Loss
from prismaudio.posttraining.policy import Policy
from prismaudio.posttraining.randomness import Purpose, stream
from prismaudio.posttraining.rollout import Trajectory
from prismaudio.posttraining.sampling import fresh_times, in_precision
from prismaudio.posttraining.sharding import is_sharded, norm_of
from prismaudio.posttraining.team import Team
from prismaudio.posttraining.weights import Weights


class RunDiverged(PrismAudioError):
    """Gradients are not finite."""


@dataclass(frozen=True)
class Update:
    """Everything of a run that learning needs."""

    policy: Policy
    optimizer: torch.optim.Optimizer
    algorithm: Algorithm
    config: PostTrainingConfig
    reference: Weights | None
    team: Team
    stepped: Callable[[], None]  # to be called after every optimiser step

    def items(
        self, trajectory: Trajectory, iteration: int, prompts: Sequence[int], old: Weights | None
    ) -> StepItems | MatchItems:
        """What there is to look at. `old`: the weights the sounds were made with, if not the present ones."""
        objective = self.algorithm.objective
        if not isinstance(objective, NFT | AWM):
            return step_items(trajectory)
        shape = trajectory.final.shape[1:]
        t, noise = fresh_times(self.config, iteration, prompts, objective.times, shape)
        device = trajectory.final.device
        items = match_items(trajectory.final, trajectory.prompts, t.to(device), noise.to(device))
        for chosen in self._micro(np.arange(len(items.t))):
            few = select(items, chosen.to(device))
            items.v_old[chosen.to(device)] = self._other(few, old, self.config.guidance.training)
        return items

    def __call__(self, items: StepItems | MatchItems, advantages: Tensor, iteration: int) -> dict[str, float]:
        """Learn from all items once, in exactly `config.updates` steps of about equal size; -> figures.

        items and advantages (N,): of this process's sounds; which are looked at in which step is decided for all.
        """
        mine = len(items.t)
        order = stream(self.config.seed, Purpose.ORDER, iteration, 1).permutation(mine * self.team.size)
        figures = Figures()
        for part in np.array_split(order, self.config.updates):
            places = part - self.team.rank * mine
            self._step(items, advantages, places[(places >= 0) & (places < mine)], len(part), figures)
        return figures.means(self.team)

    def _step(
        self,
        items: StepItems | MatchItems,
        advantages: Tensor,
        part: np.ndarray,
        total_items: int,
        figures: "Figures",
    ) -> None:
        """Over `part` of this process's items, which are `total_items` with those of the others."""
        seen = 0
        passes = list(self._micro(part))
        share = (
            total_items / self.team.size if is_sharded(self.policy) else total_items
        )  # gradients become means
        behind = self.team.most(len(passes)) - len(passes) if is_sharded(self.policy) else 0
        for chosen in passes:
            few = select(items, chosen.to(items.t.device))
            loss, penalty = self._loss(few, advantages[few.sounds])
            total = loss.per_sound + self.config.reference_weight * penalty
            torch.autograd.backward(total.sum() / share)
            figures.add({"loss": total.mean(), "reference_kl": penalty.mean(), **loss.stats}, len(chosen))
            seen += len(chosen)
        assert seen == len(part), "a step must see all its items"
        self._keep_up(items, behind)
        self.team.sum_gradients(self.policy)
        norm = norm_of(torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.clip_norm))
        if not bool(norm.isfinite()):
            raise RunDiverged(
                "gradients are not finite; lower the learning rate and go on from the checkpoint"
            )
        figures.add({"gradient_norm": norm}, 1)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.stepped()

    def _keep_up(self, items: StepItems | MatchItems, passes: int) -> None:
        """Passes that teach nothing, as many as others of the team have more: a sharded pass is made by all or none."""
        for _ in range(passes):
            few = select(items, torch.zeros(1, dtype=torch.long, device=items.t.device))
            loss, _ = self._loss(few, torch.zeros(1, device=items.t.device))
            torch.autograd.backward(loss.per_sound.sum() * 0)

    def _loss(self, items: StepItems | MatchItems, advantages: Tensor) -> tuple[Loss, Tensor]:
        """-> the objective and the divergence from the reference, (m,)"""
        away: Tensor | None = None
        if self.reference is not None:
            away = self._other(items, self.reference, self.config.guidance.reference)
        with backwards_attention(items.x.device):
            v = self._velocity(items, self.config.guidance.training)
        loss = self._objective(v, items, advantages)
        if away is None:
            return loss, torch.zeros_like(loss.per_sound)
        return loss, divergence(v - away, items, self.config.reference_measure)

    def _objective(self, v: Tensor, items: StepItems | MatchItems, advantages: Tensor) -> Loss:
        """A single update learns from the policy that made the sounds: its ratio is 1, and not nearly.

        Rounding alone can be more than the clip: then half of the items would teach nothing. It is still measured.
        """
        weigh = self.algorithm.objective.loss
        loss: Loss = weigh(v, items, advantages)  # type: ignore[arg-type]  # made for each other
        if self.config.updates > 1 or not isinstance(items, StepItems):
            return loss
        exact: Loss = weigh(v, items._replace(v_old=v.detach()), advantages)  # type: ignore[arg-type]
        return exact._replace(stats=exact.stats | {"ratio_deviation": loss.stats["ratio_deviation"]})

    @torch.no_grad()
    def _other(self, items: StepItems | MatchItems, weights: Weights | None, guidance: float) -> Tensor:
        """The velocity of other weights, or of the present ones."""
        if weights is None:
            return self._velocity(items, guidance)
        with weights.at_work(self.policy):
            return self._velocity(items, guidance)

    def _velocity(self, items: StepItems | MatchItems, guidance: float) -> Tensor:
        """In float32. Every prompt's conditions are prepared once."""
        prompts, rows = items.prompts.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        with in_precision(self.config, items.x.device):
            conditions = self.policy.conditions(prompts.tolist())
            return self.policy(items.x, items.t, conditions, rows, guidance).float()

    def _micro(self, part: np.ndarray) -> Iterator[Tensor]:
        size = self.config.micro_batch
        return (torch.from_numpy(part[first : first + size]) for first in range(0, len(part), size))


def backwards_attention(device: torch.device) -> AbstractContextManager[None]:
    """On a CPU the plain attention is the quicker one to go back through: a pass takes 0.6 s, and 0.77 if fused."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


class Figures:
    """Means over items, kept on the device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: Counter[str] = Counter()

    def add(self, values: Mapping[str, Tensor], items: int) -> None:
        """values: means over so many items."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value.detach())) + value.detach() * items
            self.counts[name] += items

    def means(self, team: Team) -> dict[str, float]:
        """Over the items of all processes."""
        names = sorted(self.sums)
        sums = torch.stack([self.sums[name] for name in names]).cpu().double()
        counts = torch.tensor([self.counts[name] for name in names], dtype=torch.float64)
        means: list[float] = (team.summed(sums) / team.summed(counts)).tolist()
        return dict(zip(names, means, strict=True))
