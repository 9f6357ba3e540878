"""What a panel says of sounds, written down: to be kept beside them as JSON, and read as a table.

What could not be scored is null in a file and "n/a: reason" in a table; never 0.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from torch import Tensor

from prismaudio.config import Config
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.rewards import Scaling
from prismaudio.dimensions.scoring import Panel, Verdict, Weights
from prismaudio.media.files import replacing

TOTAL = "total"
FIGURES = (*DIMENSIONS, TOTAL)  # by which sounds can be ranked
Figure = float | None


class Saved(Config):
    """Figures that can be kept."""

    def save(self, path: Path) -> None:
        """Write JSON, whole or not at all; what could not be measured is null."""
        with replacing(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


class Rules(Config):
    """How sounds were judged: figures of unlike rules do not compare."""

    judges: dict[str, str]  # dimension -> who, or "n/a: reason"
    versions: dict[str, dict[str, str]]  # judge -> what its opinions rest on
    weights: Weights
    scaling: Scaling

    @classmethod
    def of(cls, panel: Panel, weights: Weights) -> Self:
        return cls(judges=panel.names, versions=panel.versions, weights=weights, scaling=panel.scaling)

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {getattr(self.weights, name):g}" for name in DIMENSIONS)
        return f"total: the mean weighted by {shares}; scaling: {self.scaling}"


class Rated(Config):
    """What a panel says of one sound."""

    rewards: dict[str, Figure]  # by dimension
    total: Figure
    raw: dict[str, Figure]  # "temporal.desync" and so on: the judges' own figures
    reasons: dict[str, str]  # dimension -> why it has no reward

    def figure(self, name: str) -> Figure:
        """One of `FIGURES`."""
        return self.total if name == TOTAL else self.rewards[name]

    def table(self, rules: Rules) -> str:
        """A line for every dimension: its reward, who says so, and their own figures; then the total."""
        lines = []
        for name in DIMENSIONS:
            if self.rewards[name] is None:
                lines.append(f"{name:<10} n/a: {self.reasons[name]}")
                continue
            own = {
                key.removeprefix(f"{name}."): x for key, x in self.raw.items() if key.startswith(f"{name}.")
            }
            figures = ", ".join(f"{key} {shown(x)}" for key, x in own.items())
            lines.append(f"{name:<10} {shown(self.rewards[name])}  {rules.judges[name]}: {figures}")
        return "\n".join([*lines, f"{TOTAL:<10} {shown(self.total)}"])


def rated(verdict: Verdict, weights: Weights) -> list[Rated]:
    """One for each sound of the verdict."""
    totals = verdict.total(weights)
    return [_rated(verdict, totals, number) for number in range(len(totals))]


def _rated(verdict: Verdict, totals: Tensor, number: int) -> Rated:
    rewards = dict(zip(DIMENSIONS, map(known, verdict.rewards[number].tolist()), strict=True))
    missing = {name for name, reward in rewards.items() if reward is None}
    return Rated(
        rewards=rewards,
        total=known(float(totals[number])),
        raw={name: known(float(values[number])) for name, values in verdict.raw.items()},
        reasons={name: reason for name, reason in verdict.reasons.items() if name in missing},
    )


def known(value: float) -> Figure:
    """NaN -> None"""
    return None if math.isnan(value) else value


def shown(figure: Figure) -> str:
    return " n/a" if figure is None else f"{figure:.2f}"


def overview(names: Sequence[str], ratings: Sequence[Rated], heading: str) -> str:
    """A line for every sound under its name, to compare."""
    width = max(map(len, (*names, heading)))
    lines = [f"{heading:<{width}}" + "".join(f"  {figure:>9}" for figure in FIGURES)]
    for name, rating in zip(names, ratings, strict=True):
        cells = "".join(f"  {shown(rating.figure(figure)):>9}" for figure in FIGURES)
        lines.append(f"{name:<{width}}{cells}")
    return "\n".join(lines)


def mean_rewards(ratings: Sequence[Rated]) -> dict[str, Figure]:
    """By name of `FIGURES`, over the sounds that have it: what to expect of one of them."""
    means: dict[str, Figure] = {}
    for name in FIGURES:
        there = [value for value in (rating.figure(name) for rating in ratings) if value is not None]
        means[name] = sum(there) / len(there) if there else None
    return means


def missing_reasons(ratings: Sequence[Rated]) -> Mapping[str, str]:
    """Dimension -> why some sound has no reward."""
    return {name: reason for rating in ratings for name, reason in rating.reasons.items()}
