"""The panel that the options of a command describe."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prismaudio.dimensions.scoring import Panel


def panel_of(judges: str, changes: Sequence[str] | None, scaling: str, device: str) -> "Panel":
    """--judges, --judge, --scaling and --device"""
    from prismaudio.generation.engine import choose_engine
    from prismaudio.generation.judging import choose_panel, judges_named

    there = str(choose_engine(device).device)
    return choose_panel(judges_named(judges, changes or [], scaling=scaling, device=there))
