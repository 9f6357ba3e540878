"""From what was measured of a group, and what is counted of the released procedure, to ratios."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import torch

from benchmarks import released
from benchmarks.clock import Timing
from benchmarks.output import GIB, machine, table
from prismaudio.dimensions.plan import DIMENSIONS

PARTS = ("sampling", "decoding", "scoring")
BOTH = ("sampling", "scoring")


class Settings(NamedTuple):
    """Of a measurement."""

    size: str
    dtype: str
    judges_dtype: str
    steps: int
    group: int
    branch: int  # sounds that share a path until their noise begins


class Whole(NamedTuple):
    """What the group took."""

    timings: dict[str, Timing]
    evaluations: dict[str, float]  # per sound, without the doubling by guidance; of each way to sample
    unjudged: dict[str, str]  # dimension -> why some sounds had no reward: what is cut short costs less


@dataclass(frozen=True)
class Report:
    """Seconds are of the processor where that is the device: others may use it too."""

    device: torch.device
    settings: Settings
    units: dict[str, Timing]
    ours: Whole

    def spent(self, sampling: str, *, seen: bool) -> dict[str, float]:
        """Ours -> seconds of each part. seen: the film was looked at in an earlier iteration, which is remembered"""
        seconds = {name: timing.busy(self.device) for name, timing in self.ours.timings.items()}
        scoring = sum(seconds[name] for name in DIMENSIONS) + (0 if seen else seconds["film"])
        return {"sampling": seconds[sampling], "decoding": seconds["decoding"], "scoring": scoring}

    def counted(self) -> dict[str, float]:
        """Of the released procedures: network evaluations per sound."""
        return {
            "fast-grpo": released.fast_grpo(self.settings.steps, self.settings.branch),
            "flow-grpo": released.flow_grpo(self.settings.steps),
        }

    def theirs(self, evaluations: float, *, crw: bool) -> dict[str, float]:
        """Counts times unit costs -> seconds of each part. crw: with the half of a reward that no weights stand behind"""
        unit = {name: timing.busy(self.device) for name, timing in self.units.items()}
        judged = sum(unit[f"{name} pass"] for name in released.PASSES)
        if crw:
            judged += released.CRW_PASSES * unit["crw pass"]
        return {
            "sampling": evaluations * unit["evaluation"],
            "decoding": self.settings.group * unit["one decoding"],
            "scoring": self.settings.group * judged,
        }

    def ratios(self) -> list[dict[str, Any]]:
        """How many times as long the released procedure takes, by part and in all."""
        rows = []
        for (sampling, seen), (name, evaluations), crw in product(
            self._ways().values(), self.counted().items(), (False, True)
        ):
            ours, theirs = self.spent(sampling, seen=seen), self.theirs(evaluations, crw=crw)
            ratios = {part: theirs[part] / ours[part] for part in PARTS}
            ratios["both"] = _sum(theirs, BOTH) / _sum(ours, BOTH)
            ratios["all"] = _sum(theirs, PARTS) / _sum(ours, PARTS)
            which = {"ours": sampling, "film seen": seen, "released": name, "crw": crw}
            rows.append({**which, "seconds": theirs, "ratios": ratios})
        return rows

    def _ways(self) -> dict[str, tuple[str, bool]]:
        """Ours, in words -> how sampled, and whether the film was seen before."""
        return {_named(*way): way for way in product(self.ours.evaluations, (False, True))}

    def figures(self) -> dict[str, Any]:
        return {
            "machine": machine(self.device),
            **self.settings._asdict(),
            "measured": {name: timing._asdict() for name, timing in self.ours.timings.items()},
            "unit costs": {name: timing._asdict() for name, timing in self.units.items()},
            "evaluations per sound": self.ours.evaluations | self.counted(),
            "seconds": {
                way: self.spent(sampling, seen=seen) for way, (sampling, seen) in self._ways().items()
            },
            "compared": self.ratios(),
            "without a reward": self.ours.unjudged,
        }

    def text(self) -> str:
        kind = "seconds of processor" if self.device.type == "cpu" else "seconds"
        peak = max(timing.peak_memory for timing in (*self.ours.timings.values(), *self.units.values())) / GIB
        now = self.settings
        heading = (
            f"{machine(self.device)}; {now.size} size, a group of {now.group}, {now.steps} steps, {now.dtype}, "
            f"codec and judges {now.judges_dtype}"
        )
        return "\n".join(
            [
                heading,
                "",
                "Measured, ours:",
                *table(
                    [
                        ("part", "how many", "s", "cpu s", "GiB"),
                        *self._measured(self.ours.timings, self._amounts()),
                    ]
                ),
                "",
                "Measured, one of what the released trainer does:",
                *table([("what", "of", "s", "cpu s", "GiB"), *self._measured(self.units, self._contents())]),
                "",
                self._counts(),
                "",
                f"Counts times unit costs, in {kind}, and how many times ours that is",
                "(both: sampling and scoring; all: decoding too):",
                *table([self._headings(), *self._compared()]),
                "",
                f"Peak {peak:.2f} GiB, everything together.",
                *(f"Without a {name} reward: {why}." for name, why in self.ours.unjudged.items()),
            ]
        )

    def _counts(self) -> str:
        fast, flow = self.counted().values()
        return (
            f"Counted, not measured: for each of {self.settings.group} sounds the released trainer takes\n"
            f"{fast:.2f} network evaluations (its Fast-GRPO, mean of the windows of its {released.RANKS} processes) "
            f"or {flow:.0f} (Flow-GRPO),\none decoding, one pass of each judge, and {released.CRW_PASSES} of CRW. "
            "Not counted: that for every sound it\ndecodes the film and writes and reads files, and at every "
            "evaluation embeds the conditions."
        )

    def _amounts(self) -> dict[str, str]:
        sampled = {
            name: f"{self.settings.group} x {count:.2f} evaluations"
            for name, count in self.ours.evaluations.items()
        }
        return {
            **sampled,
            "decoding": f"{self.settings.group} sounds, each levelled",
            "film": "27 segments, once a run",
            "spatial": f"{self.settings.group} sounds, the true one once",
        }

    def _contents(self) -> dict[str, str]:
        passes = {f"{name} pass": what for name, what in released.PASSES.items()}
        return {
            "evaluation": f"{self.settings.group} sounds, guided",
            "one decoding": "one sound",
            **passes,
            "crw pass": released.CRW,
        }

    def _measured(self, timings: dict[str, Timing], amounts: dict[str, str]) -> list[tuple[str, ...]]:
        return [
            (
                name,
                amounts.get(name, f"{self.settings.group} sounds"),
                f"{timing.seconds:.2f}",
                f"{timing.processor_seconds:.2f}",
                f"{timing.peak_memory / GIB:.2f}",
            )
            for name, timing in timings.items()
        ]

    def _headings(self) -> tuple[str, ...]:
        return (
            "procedure",
            "beside ours",
            *(f"{part} s" for part in PARTS),
            *(f"{part} x" for part in (*PARTS, "both", "all")),
        )

    def _compared(self) -> list[tuple[str, ...]]:
        ours = [
            ("ours", way, *(f"{self.spent(sampling, seen=seen)[part]:.2f}" for part in PARTS), *("1",) * 5)
            for way, (sampling, seen) in self._ways().items()
        ]
        theirs = [
            (
                row["released"] + (" with crw" if row["crw"] else ""),
                _named(row["ours"], row["film seen"]),
                *(f"{row['seconds'][part]:.2f}" for part in PARTS),
                *(f"{ratio:.2f}" for ratio in row["ratios"].values()),
            )
            for row in self.ratios()
        ]
        return ours + theirs


def _named(sampling: str, seen: bool) -> str:
    return sampling + (", film seen before" if seen else "")


def _sum(seconds: dict[str, float], parts: Sequence[str]) -> float:
    return sum(seconds[part] for part in parts)
