"""Which steps of the sampler are noisy, and which of those are learned from; one decision per prompt and iteration.

Few steps decide the gradient's cost, and which they are decides what can be learned (spec rl.md sections 2 and 7).
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from prismaudio.errors import PrismAudioError
from prismaudio.posttraining.randomness import Purpose, stream


class BadWindow(PrismAudioError):
    """A window that does not fit into the sampler's steps."""


class Place(NamedTuple):
    """For whom a window is picked: all that its chance depends on. All 0 or more."""

    seed: int
    iteration: int
    prompt: int


class StepPlan(NamedTuple):
    """What the steps of one prompt's sounds are for."""

    noisy: range  # steps that draw; all others follow the flow
    trained: tuple[int, ...]  # the noisy steps an update looks at, in order


class Window(Protocol):
    """A way to choose the steps."""

    def pick(self, steps: int, place: Place) -> StepPlan: ...


@dataclass(frozen=True)
class NoWindow:
    """Nothing is noisy: for objectives that need no likelihood of a step."""

    def pick(self, steps: int, place: Place) -> StepPlan:
        return StepPlan(range(0), ())


@dataclass(frozen=True)
class Full:
    """Every step is noisy, and the first int(share * steps) are learned from (Flow-GRPO: 23 of 24)."""

    share: float = 0.99

    def pick(self, steps: int, place: Place) -> StepPlan:
        return StepPlan(range(steps), tuple(range(_some(self.share, steps))))


@dataclass(frozen=True)
class Scattered:
    """Every step is noisy; of all but the last, a random share is learned from (DanceGRPO)."""

    share: float = 0.6

    def pick(self, steps: int, place: Place) -> StepPlan:
        chosen = stream(place.seed, Purpose.WINDOW, place.iteration, place.prompt).permutation(steps - 1)
        count = _some(self.share, steps - 1)
        return StepPlan(range(steps), tuple(sorted(int(step) for step in chosen[:count])))


@dataclass(frozen=True)
class RandomWindow:
    """A short noisy window that starts anywhere in the first part of the path (Fast-GRPO).

    Starts are uniform over int(since * steps) ... int(within * steps), both included, as far as the window fits.
    """

    width: int = 2
    within: float = 0.5
    since: float = 0.0

    def pick(self, steps: int, place: Place) -> StepPlan:
        last = min(int(self.within * steps), steps - _fitting(self.width, steps))
        first = min(int(self.since * steps), last)
        drawn = stream(place.seed, Purpose.WINDOW, place.iteration, place.prompt)
        start = int(drawn.integers(first, last + 1))
        return _contiguous(start, self.width, steps)


def one_step(within: float = 1.0) -> RandomWindow:
    """Flash-GRPO (arXiv 2605.15980): one step, the same for the whole group of a prompt."""
    return RandomWindow(width=1, within=within)


@dataclass(frozen=True)
class Sliding:
    """A window that moves from noise to data as training goes on, the same for all prompts (MixGRPO).

    It stays `every` iterations where it is, at first; then moves by `stride`. At the end of the path it is cut
    off, and after its last position it starts over or stays. With `pace` it hurries: "linear" from `every` down to
    a quarter of it over the path, "exponential" by 10 % a step from `hurry_from` on.
    """

    width: int = 4
    every: int = 25
    stride: int = 1
    roll_back: bool = True
    pace: Literal["constant", "linear", "exponential"] = "constant"
    hurry_from: int = 13

    def pick(self, steps: int, place: Place) -> StepPlan:
        return _contiguous(self.start(steps, place.iteration), _fitting(self.width, steps), steps)

    def start(self, steps: int, iteration: int) -> int:
        """The first step of the window at that iteration."""
        positions = range(0, steps, self.stride)
        stays = [self.stay(position, steps) for position in positions]
        if iteration >= sum(stays) and not self.roll_back:
            return positions[-1]
        iteration %= sum(stays)
        for position, stay in zip(positions, stays, strict=True):
            if iteration < stay:
                return position
            iteration -= stay
        raise AssertionError("an iteration below the sum is within some stay")

    def stay(self, position: int, steps: int) -> int:
        """How many iterations the window starts there."""
        if self.pace == "linear":
            least, done = max(1, self.every // 4), position / steps
            return max(least, int(self.every * (1 - done) + least * done))
        if self.pace == "exponential":
            return math.ceil(self.every * math.exp(-0.1 * max(0, position - self.hurry_from)))
        return self.every


def _contiguous(start: int, width: int, steps: int) -> StepPlan:
    noisy = range(start, min(start + width, steps))
    return StepPlan(noisy, tuple(noisy))


def _some(share: float, steps: int) -> int:
    count = int(share * steps)
    if count < 1:
        raise BadWindow(f"a share {share} of {steps} steps is no step; raise the share or the steps")
    return count


def _fitting(width: int, steps: int) -> int:
    if not 1 <= width <= steps:
        raise BadWindow(f"a window of {width} does not fit into {steps} steps; choose 1 to {steps}")
    return width
