"""Fitting the published model into a card: what stays on it, what comes for its stage only, how much work at a time.

The stages run one after another, so a budget must hold, at every stage, the networks that stay, the one that is
working, and its activations. Sizes are measured (`sizes.py`); what cannot be measured without a GPU is reserved.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn

from prismaudio.errors import PrismAudioError
from prismaudio.generation.sizes import HALF, Sizes

GIB = 2**30
TIERS = (6, 8, 12, 24)  # GiB that cards have
USABLE = 0.94  # of a card: the rest is the driver's and the screen's
# CUDA's context and loaded kernels, workspaces of cuBLAS and cuDNN: what PyTorch programs are known to show
# beside their tensors, stated and not measured
CONTEXT = GIB * 3 // 4
SLACK = 1.2  # of activations, for the gaps a caching allocator leaves between blocks


class Work(NamedTuple):
    """How much each stage takes at a time."""

    vision: int  # logits
    sync: int  # segments
    text: int
    transformer: int  # windows
    decoder: int  # latent frames


LEAST = Work(vision=2**20, sync=1, text=1, transformer=1, decoder=31)
COMFORTABLE = Work(vision=2**24, sync=8, text=1, transformer=4, decoder=84)  # pieces that keep a card busy
ENOUGH = Work(
    vision=2**26, sync=32, text=1, transformer=16, decoder=214
)  # 9 s at once; more would not be faster


class TooLittleMemory(PrismAudioError):
    """A budget into which the largest stage does not fit by itself."""


class MemoryPlan(NamedTuple):
    """Who stays on the device, and how much each stage takes at a time."""

    budget: int  # bytes
    peak: int  # bytes at the fullest stage, the reserve included
    resident: frozenset[str]
    offloaded: frozenset[str]  # in pinned memory of the host but for their stage
    work: Work

    @property
    def graphs(self) -> bool:
        """Whether CUDA graphs pay: they point at weights that must stay where they are."""
        return "transformer" in self.resident

    def summary(self) -> dict[str, object]:
        """For reports."""
        return {
            "peak (GiB)": round(self.peak / GIB, 2),
            "offloaded": sorted(self.offloaded),
            **self.work._asdict(),
        }


def plan_memory(budget: int, sizes: Sizes = HALF, windows: int = ENOUGH.transformer) -> MemoryPlan:
    """The plan for `budget` bytes of a device, of which nothing else is taken. `windows`: the most that are wanted.

    As many weights stay as leave every stage room to work comfortably, the transformer's first: graphs need them.
    If there is no such plan, as many as leave it room to work at all.
    """
    enough = ENOUGH._replace(transformer=min(windows, ENOUGH.transformer))
    for least in (Work(*map(min, COMFORTABLE, enough)), LEAST):
        for resident in residents(sizes):
            work = fit(budget, sizes, resident, least, enough)
            if work is not None:
                peak = max(needed(sizes, resident, work).values())
                offloaded = frozenset(Sizes._fields) - resident
                return MemoryPlan(budget, peak, resident, offloaded, work)
    raise TooLittleMemory(
        f"{budget / GIB:.2f} GiB of device memory are too little; give at least "
        f"{smallest(sizes) / GIB:.2f} GiB, or use --device cpu"
    )


def card(gib: float) -> int:
    """The budget that a card of so many GiB is good for, with nobody else on it."""
    return int(gib * USABLE * GIB)


def smallest(sizes: Sizes = HALF) -> int:
    """The least budget there is a plan for: every network comes for its stage only."""
    return max(needed(sizes, frozenset(), LEAST).values())


def residents(sizes: Sizes) -> list[frozenset[str]]:
    """Every choice of networks that stay, the best first."""
    names = Sizes._fields
    choices = [frozenset(c) for count in range(len(names) + 1) for c in combinations(names, count)]
    return sorted(
        choices, key=lambda c: ("transformer" in c, sum(getattr(sizes, n).weights for n in c)), reverse=True
    )


def needed(sizes: Sizes, resident: frozenset[str], work: Work) -> dict[str, int]:
    """Bytes on the device during every stage."""
    stay = CONTEXT + sum(getattr(sizes, name).weights for name in resident)
    held = taken(sizes, "transformer", work) if "transformer" in resident else 0  # graphs keep their buffers
    bytes_ = {}
    for name in Sizes._fields:
        comes = 0 if name in resident else getattr(sizes, name).weights
        others = held if name != "transformer" else 0
        bytes_[name] = stay + comes + others + taken(sizes, name, work)
    return bytes_


def taken(sizes: Sizes, name: str, work: Work) -> int:
    """Bytes of the activations of a stage, gaps between them included."""
    return int(SLACK * getattr(sizes, name).activations(getattr(work, name)))


def fit(budget: int, sizes: Sizes, resident: frozenset[str], least: Work, enough: Work) -> Work | None:
    """The most work at a time, between the two given, that keeps to the budget; None if not even the least does.

    The transformer's is settled first, as what it holds is missing elsewhere.
    """
    work = least
    for name in ("transformer", *(name for name in Sizes._fields if name != "transformer")):
        work = work._replace(**{name: most(budget, sizes, resident, work, name, getattr(enough, name))})
    return work if max(needed(sizes, resident, work).values()) <= budget else None


def most(  # noqa: PLR0913  # one line of arithmetic with many givens
    budget: int, sizes: Sizes, resident: frozenset[str], work: Work, name: str, limit: int
) -> int:
    """How far the work of one stage can grow from where it is, by halving what is left to try."""
    low, high = getattr(work, name), limit
    while low < high:
        middle = (low + high + 1) // 2
        tried = work._replace(**{name: middle})
        if max(needed(sizes, resident, tried).values()) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


class Placement:
    """Brings a network to the device for its stage, where the plan does not let it stay.

    Weights do not change, so the originals stay on the host, and taking a network back is letting go of copies.
    """

    def __init__(self, device: torch.device, offloaded: frozenset[str]) -> None:
        self.device = device
        self.offloaded = offloaded

    @contextmanager
    def on_device(self, name: str, network: nn.Module) -> Iterator[None]:
        """The network is on the device in the block; a resident one stays behind it."""
        if name not in self.offloaded:
            nn.Module.to(network, self.device)
            yield
            return
        slots = slots_of(network)
        if self.device.type == "cuda":
            pin(slots)
        copies = {id(slot.tensor): slot.copied(self.device) for slot in slots}
        for slot in slots:
            slot.store[slot.name] = copies[id(slot.tensor)]
        try:
            yield
        finally:
            for slot in slots:
                slot.store[slot.name] = slot.tensor


class Slot(NamedTuple):
    """Where a module keeps a parameter or buffer; several modules may share one."""

    store: dict[str, Tensor | None]
    name: str
    tensor: Tensor

    def copied(self, device: torch.device) -> Tensor:
        there = self.tensor.detach().to(device, non_blocking=True)
        if isinstance(self.tensor, nn.Parameter):
            return nn.Parameter(there, self.tensor.requires_grad)
        return there


def slots_of(network: nn.Module) -> list[Slot]:
    stores = [store for module in network.modules() for store in (module._parameters, module._buffers)]
    return [
        Slot(store, name, tensor)  # type: ignore[arg-type]  # a store of parameters takes parameters only
        for store in stores
        for name, tensor in store.items()
        if tensor is not None
    ]


def pin(slots: Sequence[Slot]) -> None:
    """Memory that the bus reads at full speed, and while the processor goes on."""
    for slot in slots:
        if not slot.tensor.is_pinned():
            slot.tensor.data = slot.tensor.data.pin_memory()
