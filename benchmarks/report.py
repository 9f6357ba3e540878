"""What was measured, as a table for people and as JSON for programs; and what others measured elsewhere."""

import sys
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from benchmarks import flops
from benchmarks.clock import Timing
from benchmarks.measured import LITERAL, Stage
from benchmarks.output import GIB, device_name, machine, name_of, table
from prismaudio.generation.engine import Engine

GIGA, TERA = 1e9, 1e12
NOT_MEASURED = "GPU figures were NOT measured: this run had no GPU"
# (what, batch, seconds), on an H100 80GB with torch 2.11; quoted, not measured by this program
REFERENCE = (
    ("released code, 24 steps with guidance, 9 s clip", 1, 1.35),
    ("released code, 24 steps with guidance, 9 s clip", 8, 1.28),
    ("released code, 24 steps with guidance, 9 s clip", 32, 2.26),
    ("released code, VAE decode", 1, 0.025),
    ("released code, VAE decode", 8, 0.160),
    ("released code, VAE decode", 32, 0.630),
    ("released code, Synchformer pass", 1, 0.53),
    ("VideoPrism-L float32, 36 frames", 1, 0.28),
    ("VideoPrism-L bfloat16, 36 frames", 1, 0.087),
    ("T5-Gemma-L, 160 tokens", 1, 0.018),
    ("MMAudio-large-v2, 25 steps, 8 s clip", 1, 1.54),
    ("MMAudio-large-v2, 25 steps, 8 s clip", 8, 2.49),
    ("released module, torch.compile with graphs, bfloat16", 1, 0.072),
    ("released module, torch.compile with graphs, bfloat16", 8, 0.22),
    ("released module, CUDA graphs alone", 1, 0.125),
    ("arithmetic floor of the 24 steps", 1, 0.013),
)
HEADINGS = (
    "stage",
    "engine",
    "batch",
    "numbers",
    "warm s",
    "cpu s",
    "first s",
    "GiB",
    "GFLOP",
    "TFLOP/s",
    "of peak",
)


@dataclass(frozen=True)
class Row:
    """One stage, run one way."""

    stage: str
    engine: str
    batch: int
    numbers: str
    timing: Timing
    flops: int  # 0 where nothing was counted
    achieved: float  # operations a second
    share: float  # of what the device achieves in a large matrix product

    @classmethod
    def of(
        cls, stage: Stage, timing: Timing, operations: int, fastest: float | None, device: torch.device
    ) -> "Row":
        achieved = operations / timing.busy(device)
        return cls(
            stage=stage.name,
            engine=stage.engine,
            batch=stage.batch,
            numbers=name_of(stage.dtype) if stage.dtype else "",
            timing=timing,
            flops=operations,
            achieved=achieved,
            share=achieved / fastest if fastest else 0.0,
        )

    def cells(self) -> tuple[str, ...]:
        timing = self.timing
        arithmetic = (f"{self.flops / GIGA:.1f}", f"{self.achieved / TERA:.3f}", f"{self.share:.0%}")
        return (
            self.stage,
            self.engine,
            str(self.batch),
            self.numbers,
            f"{timing.seconds:.3f}",
            f"{timing.processor_seconds:.3f}",
            f"{timing.first:.2f}",
            f"{timing.peak_memory / GIB:.2f}",
            *(arithmetic if self.flops else ("", "", "")),
        )


@dataclass(frozen=True)
class Report:
    """One run."""

    size: str
    engine: Engine
    steps: int
    refused: dict[str, str]  # engine -> why it does not work here
    rows: list[Row] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)  # numbers -> operations a second

    def peak(self, dtype: torch.dtype) -> float:
        """What the device achieves in these numbers, measured when first asked for."""
        name = name_of(dtype)
        if name not in self.peaks:
            self.peaks[name] = flops.peak(self.engine.device, dtype)
        return self.peaks[name]

    def ratios(self) -> dict[str, float]:
        """How many times as long the released way takes as ours, in this run."""
        device = self.engine.device
        ours = {(r.stage, r.batch): r.timing.busy(device) for r in self.rows[::-1] if r.engine != LITERAL}
        return {
            f"{row.stage}, batch {row.batch}, {row.numbers}": row.timing.busy(device)
            / ours[row.stage, row.batch]
            for row in self.rows
            if row.engine == LITERAL and (row.stage, row.batch) in ours
        }

    def text(self) -> str:
        on_gpu = self.engine.device.type == "cuda"
        lines = [f"{self.size} size, {self.steps} steps, {machine(self.engine.device)}", ""]
        lines += table([HEADINGS, *(row.cells() for row in self.rows)])
        lines += [
            "",
            "cpu s: processor time of all threads. first s: the first call, compilation and capture included.",
        ]
        lines += [
            "GiB: " + ("torch's allocator at its peak." if on_gpu else "the whole process at its peak."),
            "peak: "
            + ", ".join(f"{value / TERA:.2f} TFLOP/s in {name}" for name, value in self.peaks.items())
            + ("." if on_gpu else ", per second of processor time."),
        ]
        lines += [
            f"the released way takes {ratio:.2f} times as long: {what}"
            for what, ratio in self.ratios().items()
        ]
        lines += [f"engine {name} was not measured: {reason}" for name, reason in self.refused.items()]
        if not on_gpu:
            lines += [NOT_MEASURED]
        if self.size == "published":
            lines += ["", "reference (H100, quoted)"]
            lines += table([(what, f"batch {batch}", f"{seconds} s") for what, batch, seconds in REFERENCE])
        return "\n".join(lines)

    def figures(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "command": " ".join(["python -m benchmarks.stages", *sys.argv[1:]]),
            "machine": machine(self.engine.device),
            "device": device_name(self.engine.device),
            "torch": torch.__version__,
            "dtype": name_of(self.engine.dtype),
            "size": self.size,
            "steps": self.steps,
            "gpu_measured": self.engine.device.type == "cuda",
            **({} if self.engine.device.type == "cuda" else {"note": NOT_MEASURED}),
            "peak_flops_per_second": self.peaks,
            "released_over_ours": self.ratios(),
            "not_measured": self.refused,
            "stages": [asdict(row) | {"timing": row.timing._asdict()} for row in self.rows],
            **({"reference_h100_quoted": [list(r) for r in REFERENCE]} if self.size == "published" else {}),
        }
