"""Making the sounds that rewards will judge, and keeping just what an update needs to know of how they were made.

Shapes: B starts, N = B * branch sounds (those of a start side by side), W trained steps, then one latent.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from prismaudio.flow.path import data_estimate, per_latent
from prismaudio.flow.sde import Coefficients, transition
from prismaudio.posttraining.route import Leg, Route

# (x: (n, ...), t: (n,), prompts: (n,) int64 numbers of the conditions) -> velocity like x.
# Conditions are kept once per prompt and picked by number.
PromptedVelocity = Callable[[Tensor, Tensor, Tensor], Tensor]


class Trajectory(NamedTuple):
    """N sounds and the W steps of each that an update learns from; all on the device of the starts."""

    final: Tensor  # (N, ...) the finished latents
    prompts: Tensor  # (N,) int64
    steps: Tensor  # (N, W) int64, numbers in the schedule
    t: Tensor  # (N, W) the time at which the step began
    h: Tensor  # (N, W) how long it was
    slope: Tensor  # (N, W) what the mean of the step changes by per change of the velocity
    sd: Tensor  # (N, W)
    latents: Tensor  # (N, W, ...) where the step began
    z: Tensor  # (N, W, ...) its noise
    v_old: Tensor  # (N, W, ...) the velocity it was taken with
    evaluations: int  # of the network, each sound counted; what guidance doubles is not


@torch.no_grad()
def rollout(
    velocity: PromptedVelocity,
    starts: Tensor,
    prompts: Tensor,
    z: Tensor,
    routes: Sequence[Route],
    branch: int = 1,
) -> Trajectory:
    """Follow every start along its own route; where that forks, it becomes `branch` sounds.

    starts: (B, ...) noise, prompts: (B,), z: (N, noisy steps, ...) standard normal, routes: B of them with equally
    many kept legs. A sound does not depend on what is made beside it. Mathematics in the format of `starts`.
    """
    kept = {sum(leg.kept is not None for leg in route.legs) for route in routes}
    if len(kept) != 1 or len(routes) != len(starts) or len(z) != branch * len(starts):
        raise ValueError(f"{len(starts)} starts need as many routes of one width and {branch} draws each")
    walk = _Walk(starts, prompts, z, routes, branch, width=kept.pop())
    for number in range(max(len(route.legs) for route in routes)):
        walk.fork(number)
        walk.step(number, velocity)
    return walk.trajectory()


def join(parts: Sequence[Trajectory]) -> Trajectory:
    """Sounds made one after the other, side by side."""
    columns = {name: torch.cat([getattr(part, name) for part in parts]) for name in Trajectory._fields[:-1]}
    return Trajectory(**columns, evaluations=sum(part.evaluations for part in parts))


class _Walk:
    """Where all sounds are. Who is where is told on the CPU, so that a GPU need not be waited for."""

    def __init__(
        self, starts: Tensor, prompts: Tensor, z: Tensor, routes: Sequence[Route], branch: int, width: int
    ) -> None:
        self.x, self.prompts, self.z, self.routes, self.branch = starts, prompts, z, routes, branch
        self.estimates = torch.zeros_like(starts)  # of the data, at the leg before
        self.owners = list(range(len(starts)))  # the start each present row comes from
        self.slots = [branch * owner for owner in self.owners]  # the first sound each present row will be
        self.evaluations = 0
        shape = (len(z), width, *starts.shape[1:])
        self.latents, self.noise, self.v_old = (starts.new_zeros(shape) for _ in range(3))
        self.legs: list[list[Leg | None]] = [[None] * width for _ in range(len(z))]

    def fork(self, number: int) -> None:
        """Split the starts whose route forks at this leg."""
        forking = [self.routes[owner].fork == number for owner in self.owners]
        if self.branch == 1 or not any(forking):
            return
        rows = [
            (row, member)
            for row, forks in enumerate(forking)
            for member in range(self.branch if forks else 1)
        ]
        old = torch.tensor([row for row, _ in rows], device=self.x.device)
        self.x, self.estimates = self.x[old], self.estimates[old]
        self.slots = [self.slots[row] + member for row, member in rows]
        self.owners = [self.owners[row] for row, _ in rows]

    def step(self, number: int, velocity: PromptedVelocity) -> None:
        """Take leg `number` of all routes that have it."""
        rows = [row for row, owner in enumerate(self.owners) if number < len(self.routes[owner].legs)]
        legs = [self.routes[self.owners[row]].legs[number] for row in rows]
        at = torch.tensor(rows, device=self.x.device)
        x = self.x[at]
        t = self._numbers([leg.s for leg in legs])
        owners = torch.tensor([self.owners[row] for row in rows], device=self.prompts.device)
        v = velocity(x, t, self.prompts[owners]).to(x)
        self.evaluations += len(rows)
        z = self._draws(rows, legs, x)
        self._keep(rows, legs, x, v, z)

        estimate = data_estimate(x, v, t)
        echo = per_latent(self._numbers([leg.echo for leg in legs]), x)
        columns = (per_latent(self._numbers([leg.step[i] for leg in legs]), x) for i in range(3))
        self.x = self.x.index_copy(
            0, at, transition(x, v, Coefficients(*columns), z) + echo * (estimate - self.estimates[at])
        )
        self.estimates = self.estimates.index_copy(0, at, estimate)

    def trajectory(self) -> Trajectory:
        legs = [[leg for leg in row if leg is not None] for row in self.legs]
        return Trajectory(
            final=self.x,
            prompts=self.prompts.repeat_interleave(self.branch),
            steps=self._table([[leg.number for leg in row] for row in legs], torch.int64),
            t=self._table([[leg.s for leg in row] for row in legs]),
            h=self._table([[leg.s - leg.s_next for leg in row] for row in legs]),
            slope=self._table([[leg.step.v for leg in row] for row in legs]),
            sd=self._table([[leg.step.sd for leg in row] for row in legs]),
            latents=self.latents,
            z=self.noise,
            v_old=self.v_old,
            evaluations=self.evaluations,
        )

    def _draws(self, rows: Sequence[int], legs: Sequence[Leg], x: Tensor) -> Tensor:
        """The noise of a leg, zeros where it takes none."""
        draws = torch.zeros_like(x)
        noisy = [(i, self.slots[row], leg.noise) for i, (row, leg) in enumerate(zip(rows, legs, strict=True))]
        taken = [(i, slot, place) for i, slot, place in noisy if place is not None]
        if taken:
            i, slots, places = torch.tensor(taken, device=x.device).unbind(dim=1)
            draws[i] = self.z[slots, places].to(x)
        return draws

    def _keep(self, rows: Sequence[int], legs: Sequence[Leg], x: Tensor, v: Tensor, z: Tensor) -> None:
        kept = [
            (i, self.slots[row], leg.kept)
            for i, (row, leg) in enumerate(zip(rows, legs, strict=True))
            if leg.kept is not None
        ]
        if not kept:
            return
        i, slots, places = torch.tensor(kept, device=x.device).unbind(dim=1)
        for store, values in ((self.latents, x), (self.noise, z), (self.v_old, v)):
            store[slots, places] = values[i]
        for index, slot, place in kept:
            self.legs[slot][place] = legs[index]

    def _numbers(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=self.x.dtype, device=self.x.device)

    def _table(self, values: Sequence[Sequence[float]], dtype: torch.dtype | None = None) -> Tensor:
        table = torch.tensor(values, dtype=dtype or self.x.dtype, device=self.x.device)
        return table.reshape(self.latents.shape[:2])
