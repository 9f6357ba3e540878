"""The planner that the options of a command describe."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prismaudio.planning.base import Planner


def planner_of(name: str, fallback: str | None, settings: Sequence[str] | None) -> "Planner":
    """--planner, --fallback and --planner-set"""
    from prismaudio.planning.choose import PlannerOptions, choose_planner

    options = PlannerOptions.resolve(overrides=settings or [], option="--planner-set")
    return choose_planner(name, options.model_copy(update={"fallback": fallback or options.fallback}))
