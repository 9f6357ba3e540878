"""What the published system is planned to take on cards of several sizes; on CUDA also what it takes.

There the allocator is told to refuse more than a card of that size would give, so a run that ends has proved its plan.
"""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.clock import synchronise
from benchmarks.film import moving_picture
from benchmarks.output import GIB, say, table
from benchmarks.published_system import SIZES, build
from benchmarks.system import WORDS
from prismaudio.generation.engine import Engine
from prismaudio.generation.fit import fitted
from prismaudio.generation.memory import CONTEXT, MemoryPlan, card, plan_memory
from prismaudio.generation.options import Options
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.generation.sizes import PUBLISHED

NOT_MEASURED = "planned, not measured on a card"
HEADINGS = (
    "card",
    "comes for its stage only",
    "at a time",
    "planned GiB",
    "limit GiB",
    "measured GiB",
    "reserved GiB",
)


@dataclass(frozen=True)
class Tier:
    """A card, and how the system fits it. All but the card in bytes."""

    card: int  # GiB
    plan: MemoryPlan
    limit: int  # of the allocator: what the card gives without CUDA's own part
    allocated: int | None = None  # at the peak; None: not measured
    reserved: int | None = None

    def cells(self) -> tuple[str, ...]:
        work = ", ".join(f"{name} {count}" for name, count in self.plan.work._asdict().items())
        visiting = ", ".join(sorted(self.plan.offloaded)) or "none"
        planned, limit, *measured = (
            NOT_MEASURED if size is None else f"{size / GIB:.2f}"
            for size in (self.plan.peak, self.limit, self.allocated, self.reserved)
        )
        return f"{self.card} GiB", visiting, work, planned, limit, *measured

    def figures(self) -> dict[str, Any]:
        return {
            "card (GiB)": self.card,
            "plan": self.plan.summary(),
            "limit (bytes)": self.limit,
            "allocated (bytes)": self.allocated,
            "reserved (bytes)": self.reserved,
            **({"note": NOT_MEASURED} if self.allocated is None else {}),
        }


def tiers(cards: Sequence[int], engine: Engine, options: Options, folder: Path) -> list[Tier]:
    """One after the other, the smallest first."""
    found = []
    for gib in sorted(cards):
        say(f"a card of {gib} GiB")
        tier = planned(gib, engine)
        found.append(measured(tier, engine, options, folder) if engine.device.type == "cuda" else tier)
    return found


def planned(gib: int, engine: Engine) -> Tier:
    """In the numbers of CUDA where the engine's have no measured sizes."""
    sizes = PUBLISHED.get(engine.dtype, PUBLISHED[torch.bfloat16])
    return Tier(gib, plan_memory(card(gib), sizes), limit=card(gib) - CONTEXT)


def measured(tier: Tier, engine: Engine, options: Options, folder: Path) -> Tier:
    """The whole of it, from a file to sound, under the limit."""
    device, size = engine.device, SIZES["published"]
    film = moving_picture(folder / "film.mp4", size.seconds, size.picture)
    gc.collect()  # graphs of the tier before hold its memory
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, tier.limit / total), device)
    try:
        engine, fit = fitted(engine, card(tier.card) / GIB)
        VideoToAudio(build(size, engine, fit), engine)(film, caption=WORDS, **options.model_dump())
        synchronise(device)
        allocated, reserved = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    return Tier(tier.card, tier.plan, tier.limit, allocated, reserved)


def text(found: Sequence[Tier]) -> str:
    return "\n".join(table([HEADINGS, *(tier.cells() for tier in found)]))
