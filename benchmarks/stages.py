"""Every stage of the published system, and the whole of it, measured on this machine with random weights.

Examples:
  python -m benchmarks.stages                           small networks where there is no CUDA, else the published size
  python -m benchmarks.stages --size published --batches 1 --steps 2 --rounds 1
  python -m benchmarks.stages --only diffusion vae --engines graph --out benchmark.json
  python -m benchmarks.stages --memory-tiers 6,8,12,24
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from unittest.mock import patch

import torch

from benchmarks import flops, literal, measured, tiers
from benchmarks.clock import Clock
from benchmarks.measured import Run, Stage, Work
from benchmarks.output import say, show, write
from benchmarks.published_system import SIZES
from benchmarks.report import Report, Row
from benchmarks.system import System
from prismaudio.generation.engine import DEVICES, Engine, choose_engine
from prismaudio.generation.options import Options
from prismaudio.generation.velocity import ENGINES, UnusableEngine, VelocityEngine
from prismaudio.types import DTYPES


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    engine = choose_engine(options.device, options.dtype)
    size = options.size or ("published" if engine.device.type == "cuda" else "small")
    with tempfile.TemporaryDirectory() as name, patch.dict(os.environ, own_caches(name)):
        if options.memory_tiers:
            found = tiers.tiers(options.memory_tiers, engine, Options(steps=options.steps), Path(name))
            text, figures = tiers.text(found), {"memory_tiers": [tier.figures() for tier in found]}
        else:
            report = measured_report(options, size, engine, Path(name))
            text, figures = report.text(), report.figures()
    show(text)
    if options.out:
        write(options.out, figures)


def measured_report(options: argparse.Namespace, size: str, engine: Engine, folder: Path) -> Report:
    say(f"networks of {size} size on {engine.device}")
    system = System.make(SIZES[size], engine, folder)
    usable, refused = usable_engines(system, options.engines)
    work = Work(system, folder, Options(steps=options.steps), options.batches, usable)
    stages = [
        stage
        for stage in chain(measured.stages(work), literal.stages(work))
        if not options.only or stage.name.split(",")[0] in options.only
    ]
    report = Report(size, engine, options.steps, refused)
    report.rows.extend(measure(stages, Clock(engine.device, options.rounds, options.patience), report.peak))
    return report


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", choices=list(SIZES), help="default: published on CUDA, else small")
    parser.add_argument("--device", default="auto", help=f"{', '.join(DEVICES)} or cuda:1")
    parser.add_argument(
        "--dtype", default="auto", choices=["auto", *DTYPES], help="of the transformer and encoders"
    )
    parser.add_argument("--engines", type=words, default=list(ENGINES), help="default: graph,eager,compile")
    parser.add_argument(
        "--batches", type=numbers, default=[1, 8, 32], help="sounds made together; default: 1,8,32"
    )
    parser.add_argument("--steps", type=int, default=24, help="of the sampler; default: 24")
    parser.add_argument("--rounds", type=int, default=5, help="warm rounds at most; the median is reported")
    parser.add_argument(
        "--patience", type=float, default=5, help="no further round begins after so many seconds"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="STAGE", help="measure only these, such as: diffusion vae"
    )
    parser.add_argument(
        "--memory-tiers",
        type=numbers,
        metavar="GIB,...",
        help="instead: what the published size takes on such cards, measured on CUDA and planned elsewhere",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write everything as JSON")
    return parser


def own_caches(folder: str) -> dict[str, str]:
    """Empty ones, so that compilers do what they do on a fresh machine."""
    return {"TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor", "TRITON_CACHE_DIR": f"{folder}/triton"}


def words(text: str) -> list[str]:
    return text.split(",")


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def usable_engines(system: System, names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Those that work here, the default first, and why others do not."""
    usable, refused = [], {}
    for name in sorted(names, key=lambda name: name != system.engine.machinery):
        try:
            VelocityEngine(system.model.dit.dit, name)
        except UnusableEngine as error:
            refused[name] = str(error)
        else:
            usable.append(name)
    return usable, refused


def measure(stages: Sequence[Stage], clock: Clock, peak: Callable[[torch.dtype], float]) -> Iterator[Row]:
    """One after the other, each undone before the next."""
    for number, stage in enumerate(stages, start=1):
        say(f"{number}/{len(stages)}  {stage.name}, batch {stage.batch} {stage.engine}")
        with ExitStack() as stack:
            row = measured_row(stage, stage.prepare(stack), clock, peak)
        say(f"  {row.timing.seconds:.3f} s, first {row.timing.first:.3f} s")
        yield row


def measured_row(stage: Stage, run: Run, clock: Clock, peak: Callable[[torch.dtype], float]) -> Row:
    counted = [0]

    def first() -> None:
        counted[0] = flops.count(run)

    seen = stage.dtype is not None and stage.operations is None
    timing = clock(run, first if seen else None)
    operations = stage.operations() if stage.operations else counted[0]
    fastest = peak(stage.dtype) if stage.dtype is not None else None
    return Row.of(stage, timing, operations, fastest, clock.device)


if __name__ == "__main__":
    main()
