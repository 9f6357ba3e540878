"""How long each stage of a job takes, and telling somebody how far it is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

Report = Callable[[float], None]  # told the share that is done, 0 to 1
Progress = Callable[[str, float], None]  # told the stage and the share of it that is done, 0 to 1


class Stages:
    """A stopwatch: `with stages.stage("watch") as report: ... report(0.5)`."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.timings: dict[str, float] = {}  # seconds
        self._progress = progress or nobody

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time the block, on top of what that stage took before; what it yields takes the share that is done."""
        report = partial(self._progress, name)
        began = time.perf_counter()
        report(0.0)
        yield report
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - began
        report(1.0)


def nobody(name: str, share: float) -> None:
    """Nobody wants to know."""
