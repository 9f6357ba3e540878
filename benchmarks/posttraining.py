"""What one group of sounds costs in post-training, without judges: made by each algorithm, then learned from.

Random weights of the published shapes, or small ones; the numbers cost the same. Sounds of 9 s.

Examples:
  python -m benchmarks.posttraining                              small networks where there is no CUDA, else published
  python -m benchmarks.posttraining --size published --dtype bf16 --guidance 1 --out posttraining.json
  python -m benchmarks.posttraining --algorithms fast-grpo flow-grpo --group 8 --steps 12
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.clock import Clock, Timing
from benchmarks.output import GIB, machine, say, show, table, write
from benchmarks.published_system import SIZES, fill_randomly
from prismaudio.data.features import ClipFeatures
from prismaudio.generation.engine import choose_engine
from prismaudio.generation.long import WINDOW
from prismaudio.models.dit import ConditionedDiT
from prismaudio.posttraining.algorithm import ALGORITHMS, Algorithm
from prismaudio.posttraining.config import Adapters, Guidance, PostTrainingConfig
from prismaudio.posttraining.dit_policy import DiTPolicy
from prismaudio.posttraining.route import evaluations
from prismaudio.posttraining.sampling import planned_route, sample_groups
from prismaudio.posttraining.trainer import Trainer

VIDEO, TEXT, SYNC = 36, 160, 216  # tokens of 9 s
NUMBERS = ("float32", "bf16")
HEADINGS = ("algorithm", "guidance", "evaluations", "make s", "cpu s", "learn s", "cpu s", "GiB")


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    device = choose_engine(options.device, "float32").device
    size = options.size or ("published" if device.type == "cuda" else "small")
    say(f"a transformer of {size} size on {device}")
    rows = [cost(name, size, device, options) for name in options.algorithms]
    lines = [tuple(words(row)) for row in rows]
    show(
        "\n".join([f"{machine(device)}; {size} size, groups of {options.group}", *table([HEADINGS, *lines])])
    )
    if options.out:
        write(options.out, {"machine": machine(device), "size": size, "group": options.group, "rows": rows})


def cost(name: str, size: str, device: torch.device, options: argparse.Namespace) -> dict[str, Any]:
    """Of one group, the reference included."""
    run = trainer(name, size, device, options)
    clock = Clock(device, options.rounds, options.patience)
    iteration = typical(run.algorithm, run.config)
    make = partial(sample_groups, run.policy, run.algorithm, run.config, iteration, [0])
    trajectory = make()
    items = run.update.items(trajectory, iteration, [0], run.old)
    advantages = torch.linspace(-1, 1, options.group, device=device)
    making, learning = clock(make), clock(lambda: run.update(items, advantages, iteration))
    say(f"{name}: made in {making.seconds:.2f} s, learned from in {learning.seconds:.2f} s")
    return {
        "algorithm": name,
        "guidance": options.guidance,
        "evaluations per sound": trajectory.evaluations / options.group * (1 if options.guidance == 1 else 2),
        "make": making._asdict(),
        "learn": learning._asdict(),
    }


def typical(algorithm: Algorithm, config: PostTrainingConfig) -> int:
    """An iteration whose window costs about the mean of many."""
    branch = algorithm.branch(config.group)
    costs = [evaluations(planned_route(algorithm, config, i, 0), branch) for i in range(200)]
    mean = sum(costs) / len(costs)
    return min(range(len(costs)), key=lambda i: abs(costs[i] - mean))


def trainer(name: str, size: str, device: torch.device, options: argparse.Namespace) -> Trainer:
    scale = options.guidance
    config = PostTrainingConfig(
        algorithm=name,
        prompts=1,
        group=options.group,
        steps=options.steps,
        guidance=Guidance(sampling=scale, training=scale, reference=scale),
        rewards={"unasked": 1.0},
        updates=1,
        adapters=Adapters() if options.adapters else None,
        sampling_batch=options.group,
        micro_batch=options.micro_batch,
        precision="bf16" if options.dtype == "bf16" else "no",
    )
    return Trainer(random_policy(SIZES[size].generator().model, device), Unasked(), 1, config)


def random_policy(model: ConditionedDiT, device: torch.device) -> DiTPolicy:
    """`model` with random weights on the device, and one prompt."""
    fill_randomly(model, torch.float32, torch.Generator(device).manual_seed(0))
    return DiTPolicy(model, [clip(model)], WINDOW)


def clip(model: ConditionedDiT) -> ClipFeatures:
    generator = torch.Generator().manual_seed(0)
    widths = [next(part.parameters()).shape[-1] for part in model.conditioner.children()]
    tokens = zip((VIDEO, TEXT, SYNC), widths, strict=True)
    return ClipFeatures(*(torch.randn(count, width, generator=generator) for count, width in tokens))


class Unasked:
    """The judge of a run that only makes and learns."""

    names = ("unasked",)

    def __call__(self, latents: torch.Tensor, prompts: Sequence[int]) -> torch.Tensor:
        raise AssertionError("no sound is judged here")


def words(row: dict[str, Any]) -> list[str]:
    making, learning = Timing(**row["make"]), Timing(**row["learn"])
    seconds = [making.seconds, making.processor_seconds, learning.seconds, learning.processor_seconds]
    peak = max(making.peak_memory, learning.peak_memory) / GIB
    evaluations = f"{row['evaluations per sound']:.2f}"
    return [
        row["algorithm"],
        f"{row['guidance']:g}",
        evaluations,
        *(f"{s:.2f}" for s in seconds),
        f"{peak:.2f}",
    ]


def parser() -> argparse.ArgumentParser:
    parser = group_parser("posttraining", __doc__, patience=30)
    parser.add_argument(
        "--algorithms", nargs="+", choices=list(ALGORITHMS), default=["fast-grpo", "flow-grpo"]
    )
    parser.add_argument("--guidance", type=float, default=5.0, help="1 costs half; default: 5")
    parser.add_argument("--micro-batch", type=int, default=16, help="sounds per backward pass; default: 16")
    parser.add_argument("--adapters", action="store_true", help="train low-rank adapters, not the whole")
    return parser


def group_parser(name: str, description: str | None, patience: float) -> argparse.ArgumentParser:
    """The options of all benchmarks of one group of sounds."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", choices=list(SIZES), help="default: published on CUDA, else small")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--dtype", default="float32", choices=NUMBERS, help="of the transformer's arithmetic")
    parser.add_argument("--group", type=int, default=16, help="sounds of the prompt; default: 16")
    parser.add_argument("--steps", type=int, default=24, help="of the sampler; default: 24")
    parser.add_argument("--rounds", type=int, default=3, help="timed at most; the median is reported")
    parser.add_argument(
        "--patience", type=float, default=patience, help="no further round begins after so many seconds"
    )
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    return parser


if __name__ == "__main__":
    main()
