"""What a benchmark found, as a table for people and as JSON for programs; every figure with its 95 % interval."""

import math
from typing import Any

from prismaudio.config import Config
from prismaudio.evaluation.metrics.bootstrap import Interval
from prismaudio.generation.cards import Saved as Saved

Measures = dict[str, Interval]


class ClassScore(Config):
    """How often one class was among the five likeliest, in scenes that contain it."""

    scenes: int
    top5: float


class SystemReport(Config):
    """One system on all scenes."""

    name: str
    measures: Measures
    decoded: int  # scenes for which it made a usable sound: those that were measured
    struck_scenes: int  # of them, those in which every source is struck
    placed_events: int  # events that sound alone for long enough to be located
    seconds_per_scene: float
    classes: dict[str, ClassScore]
    failures: dict[int, str] = {}  # scene -> why there is no sound of it


class ReconstructionReport(Config):
    """What the codec alone does to held-out recordings: a bound for everything generated through it."""

    distance: Interval  # mean over recordings, see `metrics.reconstruction`
    distance_of_silence: float
    recordings: int
    too_short: int  # recordings shorter than one latent frame, left out
    panned: int
    delay_error_ms: Interval  # mean absolute
    level_error_db: Interval
    share_within: Interval  # within 0.1 ms and 2 dB


class Report(Saved):
    systems: tuple[SystemReport, ...]
    chance: dict[str, float]
    judge_accuracy: dict[str, float]  # of the sound classifier on real recordings of the split
    reconstruction: ReconstructionReport | None = None
    settings: dict[str, Any]
    made_by: dict[str, dict[str, str]] = {}  # system -> what for -> the model that did it

    def table(self) -> str:
        """One aligned line per system, then what the figures stand beside."""
        names = list(self.systems[0].measures)
        rows = [["system", *names, "N", "s/scene"]]
        for system in self.systems:
            figures = [short(system.measures[name]) for name in names]
            rows.append([system.name, *figures, str(system.decoded), f"{system.seconds_per_scene:.2f}"])
        rows.append(["chance", *(f"{self.chance[n]:.2f}" if n in self.chance else "" for n in names), "", ""])
        lines = [*aligned(rows), "", "± is half the 95 % interval over scenes (bootstrap)."]
        accuracy = ", ".join(f"{name} {value:.2f}" for name, value in self.judge_accuracy.items())
        lines.append(f"The judge of classes on real held-out recordings: {accuracy}.")
        if self.reconstruction is not None:
            lines.append(_sentence(self.reconstruction))
        for name, parts in self.made_by.items():
            lines.append(f"{name}: {', '.join(f'{need} by {model}' for need, model in parts.items())}.")
        return "\n".join(lines)


def short(interval: Interval) -> str:
    """A figure and half the width of its interval."""
    value, low, high = interval
    return "-" if math.isnan(value) else f"{value:.2f} ±{(high - low) / 2:.2f}"


def aligned(rows: list[list[str]]) -> list[str]:
    """Lines of columns, each as wide as its widest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _sentence(found: ReconstructionReport) -> str:
    return (
        f"The codec alone: spectral distance {found.distance} over {found.recordings} recordings "
        f"(silence {found.distance_of_silence:.2f}); direction of {found.panned} panned ones moved by "
        f"{found.delay_error_ms.value:.3f} ms and {found.level_error_db.value:.2f} dB, "
        f"{found.share_within.value:.0%} within 0.1 ms and 2 dB."
    )
