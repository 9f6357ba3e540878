"""How long a function takes once it is warm, what its first call cost, and how much memory it held."""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # of Linux
KIB = 1024


class Timing(NamedTuple):
    """What was measured."""

    seconds: float  # median of the warm rounds
    processor_seconds: float  # median too, all threads together: hardly changes when others use the machine
    rounds: int
    first: float  # seconds of the first call: libraries choose, kernels compile, graphs are captured
    peak_memory: int  # bytes; of torch's allocator on CUDA, elsewhere of the whole process

    def busy(self, device: torch.device) -> float:
        """Seconds by which arithmetic is judged; on a processor, those that others did not take."""
        return self.processor_seconds if device.type == "cpu" else self.seconds


class Clock:
    """Measures on one device: at most `rounds` warm rounds, and none that begins after `patience` seconds of them."""

    def __init__(self, device: torch.device, rounds: int, patience: float) -> None:
        self.device = device
        self.rounds = rounds
        self.patience = patience

    def __call__(self, run: Callable[[], object], first_run: Callable[[], object] | None = None) -> Timing:
        """`first_run` may do more in the first call than is timed afterwards."""
        forget_peak(self.device)
        first, _ = self._round(first_run or run)
        walls: list[float] = []
        processors: list[float] = []
        while len(walls) < self.rounds and (not walls or sum(walls) < self.patience):
            wall, processor = self._round(run)
            walls.append(wall)
            processors.append(processor)
        return Timing(
            statistics.median(walls),
            statistics.median(processors),
            len(walls),
            first,
            peak_memory(self.device),
        )

    def _round(self, run: Callable[[], object]) -> tuple[float, float]:
        """Wall and processor seconds, the device's work included."""
        synchronise(self.device)
        wall, processor = time.perf_counter(), time.process_time()
        run()
        synchronise(self.device)
        return time.perf_counter() - wall, time.process_time() - processor


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def forget_peak(device: torch.device) -> None:
    """Begin a new peak, where that can be done: Linux and CUDA."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        RESET.write_text("5", encoding="ascii")


def peak_memory(device: torch.device) -> int:
    """The most bytes held since `forget_peak`, or since the process began."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else resident_peak()


def resident_peak() -> int:
    """The most bytes of main memory that this process held."""
    if STATUS.is_file():
        line = next(
            line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")
        )
        return int(line.split()[1]) * KIB
    unit = 1 if sys.platform == "darwin" else KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
