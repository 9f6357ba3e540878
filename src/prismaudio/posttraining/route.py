"""The way of one prompt's sounds through time, leg by leg: plain numbers, worked out before any network runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from prismaudio.flow.sde import ODE, Coefficients, Dynamics
from prismaudio.posttraining.window import StepPlan


class Leg(NamedTuple):
    """One evaluation of the network at time s, and the step it is for."""

    s: float
    s_next: float
    step: Coefficients[float]
    number: int = -1  # of the step in the schedule; -1 in a tail, which has steps of its own
    noise: int | None = None  # which of the window's draws it takes
    kept: int | None = None  # at which place the trajectory keeps it
    echo: float = 0.0  # weight of the change of the data estimate since the leg before


class Route(NamedTuple):
    legs: tuple[Leg, ...]
    fork: int  # the leg at which one becomes many: the first noisy one


@dataclass(frozen=True)
class Tail:
    """After the window nothing is learned from, so fewer but better steps will do (MixGRPO-Flash).

    DPM-Solver++(2M, arXiv 2211.01095): of second order at one evaluation a step.
    """

    share: float = 0.4  # of the steps that are left, rounded up

    def legs(self, rest: Sequence[float]) -> list[Leg]:
        """rest: the times still to come, the present one first."""
        steps = math.ceil(self.share * (len(rest) - 1))
        times = [_between(rest, i * (len(rest) - 1) / steps) for i in range(steps)] + [rest[-1]]
        return [
            Leg(s, s_next, ODE()(s, s_next), echo=(1 - s_next / s) * extrapolation(before, s, s_next))
            for before, s, s_next in zip([None, *times], times, times[1:], strict=False)
        ]


def extrapolation(before: float | None, s: float, s_next: float) -> float:
    """How far the data estimate is carried on along its change since `before`: half the ratio of the two steps.

    Steps are measured in log(signal / noise). First steps, steps after s = 1 and steps to 0 are of first order.
    """
    if before is None or before == 1 or s_next == 0:
        return 0.0
    return (_snr(s_next) - _snr(s)) / (2 * (_snr(s) - _snr(before)))


def route(schedule: Sequence[float], plan: StepPlan, dynamics: Dynamics, tail: Tail | None = None) -> Route:
    """schedule: times from 1 to 0, one more than steps. With a `tail`, all after the window is taken by it."""
    stop = plan.noisy.stop if tail is not None else len(schedule) - 1
    place = {step: number for number, step in enumerate(plan.trained)}
    legs = []
    for index in range(stop):
        s, s_next = schedule[index], schedule[index + 1]
        noisy = index in plan.noisy
        step = dynamics(s, s_next) if noisy else ODE()(s, s_next)
        noise = index - plan.noisy.start if noisy else None
        legs.append(Leg(s, s_next, step, index, noise, place.get(index)))
    if tail is not None and stop < len(schedule) - 1:
        legs += tail.legs(schedule[stop:])
    return Route(tuple(legs), plan.noisy.start)


def evaluations(way: Route, branch: int) -> float:
    """Network evaluations per sound where `branch` of them share the legs before the fork."""
    return way.fork / branch + len(way.legs) - way.fork


def _snr(s: float) -> float:
    return math.log((1 - s) / s)


def _between(times: Sequence[float], at: float) -> float:
    """The time at a fractional index."""
    low = int(at)
    part = at - low
    return times[low] if part == 0 else times[low] + part * (times[low + 1] - times[low])
