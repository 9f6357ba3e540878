"""One group of sounds of post-training made and judged, beside what the released trainer does for the same group.

Random weights of the published shapes, or small ones; the numbers cost the same. Sounds of 9 s, the published preset.
Ours is measured. The released procedure is counted, and each count is multiplied by what one of it costs here: a
guided evaluation of the transformer, the decoding of one sound, and a pass of each judge over one sound alone, with
all that is computed anew for every sound there. The code behind the unit costs is ours too, so that only counts differ.

Examples:
  python -m benchmarks.group                                       small networks where there is no CUDA, else published
  python -m benchmarks.group --size published --device cuda --dtype bf16 --out group.json
  python -m benchmarks.group --size published --dtype bf16 --judges-dtype bf16 --together 1 --rounds 1
  python -m benchmarks.group --every-step                          also without the tail of the preset
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.clock import Clock, Timing
from benchmarks.group_report import Report, Settings, Whole
from benchmarks.group_system import Group
from benchmarks.output import say, show, write
from benchmarks.posttraining import NUMBERS, group_parser
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.generation.engine import choose_engine


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    device = choose_engine(options.device, "float32").device
    size = options.size or ("published" if device.type == "cuda" else "small")
    say(f"networks of {size} size on {device}")
    group = Group.make(size, device, options)
    measure = Measuring(Clock(device, options.rounds, options.patience))
    units = {name: measure(name, run) for name, run in group.units().items()}
    ours = whole(group, measure)
    settings = Settings(size, options.dtype, options.judges_dtype, options.steps, options.group, group.branch)
    report = Report(device, settings, units, ours)
    show(report.text())
    if options.out:
        write(options.out, report.figures())


class Measuring:
    """Times what it is given, and says so."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __call__(self, name: str, run: Callable[[], object], *, warm: bool = False) -> Timing:
        """warm: on a processor, no call comes before the timed ones; on CUDA one always does, and chooses kernels."""
        skips = warm and self.clock.device.type == "cpu"
        timing = self.clock(run, nothing if skips else None)
        say(f"{name}: {timing.seconds:.2f} s, {timing.processor_seconds:.2f} s of processor")
        return timing


def nothing() -> None:
    """What warm networks are warmed up with."""


def whole(group: Group, measure: Measuring) -> Whole:
    """The group from noise to rewards, part by part; the unit costs have run all networks before."""
    timings, evaluations, unjudged = {}, {}, {}
    for name, algorithm in group.algorithms.items():
        sampling = Kept(partial(group.sample, algorithm))
        timings[name] = measure(name, sampling, warm=True)
        evaluations[name] = sampling.result.evaluations / group.config.group
    playing = Kept(partial(group.play, sampling.result.final))
    timings["decoding"] = measure("decoding", playing, warm=True)
    timings["film"] = measure("film", group.watch, warm=True)
    for dimension in DIMENSIONS:
        judging = Kept(partial(group.judge, dimension, playing.result))
        timings[dimension] = measure(dimension, judging, warm=True)
        if dimension in judging.result.reasons:
            unjudged[dimension] = judging.result.reasons[dimension]
    return Whole(timings, evaluations, unjudged)


class Kept:
    """A function whose last result is kept."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self.run = run

    def __call__(self) -> None:
        self.result = self.run()


def parser() -> argparse.ArgumentParser:
    parser = group_parser("group", __doc__, patience=2)
    parser.add_argument(
        "--judges-dtype", default="float32", choices=NUMBERS, help="of the codec's and judges'"
    )
    parser.add_argument("--together", type=int, help="sounds decoded at a time; default: as in a run")
    parser.add_argument(
        "--every-step",
        action="store_true",
        help="also sample by every step of the schedule; the preset takes fewer after the noisy ones",
    )
    return parser


if __name__ == "__main__":
    main()
