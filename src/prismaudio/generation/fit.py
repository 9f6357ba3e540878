"""How a model was made to fit a device: what stays there, what visits, how much is done at a time."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from prismaudio.errors import PrismAudioError
from prismaudio.generation.engine import Engine
from prismaudio.generation.memory import GIB, Placement, Work, plan_memory
from prismaudio.generation.sizes import PUBLISHED


class NothingToLimit(PrismAudioError):
    """A memory limit for a device that has no memory of its own, or for a model that needs none."""


@dataclass(frozen=True)
class Fit:
    """`work` None: everything stays on the device, and does as much at a time as is fastest."""

    placement: Placement
    work: Work | None = None

    def at_work(self, stage: str, network: nn.Module) -> AbstractContextManager[None]:
        """The network is on the device in the block."""
        return nullcontext() if self.work is None else self.placement.on_device(stage, network)

    def home(self, stage: str, device: torch.device) -> torch.device:
        """Where a network is between its stages."""
        return torch.device("cpu") if stage in self.placement.offloaded else device


def whole(engine: Engine) -> Fit:
    """Everything fits."""
    return Fit(Placement(engine.device, frozenset()))


def fitted(engine: Engine, gib: float | None) -> tuple[Engine, Fit]:
    """The engine and the fit that keep the published model below `gib` of the device's memory; None: no limit."""
    if gib is None:
        return engine, whole(engine)
    if engine.device.type == "cpu":
        raise NothingToLimit(
            "--memory limits the memory of a GPU, and the engine runs on the CPU; leave it out"
        )
    if engine.dtype not in PUBLISHED:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in PUBLISHED)
        raise NothingToLimit(
            f"--memory knows the sizes of {known}, got {engine.dtype}; choose another --dtype"
        )
    plan = plan_memory(int(gib * GIB), PUBLISHED[engine.dtype])
    machinery = engine.machinery if plan.graphs else "eager"
    engine = engine._replace(machinery=machinery, windows=plan.work.transformer)
    return engine, Fit(Placement(engine.device, plan.offloaded), plan.work)
