"""`python -m experiments NAME`: one finding of the paper, looked for on the stage."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer

from experiments.arms import SIZES, Arm, Result, run_arms
from experiments.curves import examined_at, seconds, seconds_to
from experiments.measures import MEASURES, ahead
from experiments.pictures import draw_alarm, draw_changes, draw_rewards
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.report import aligned
from prismaudio.media.files import replacing


class Experiment(NamedTuple):
    """A question, and the runs that answer it."""

    question: str
    arms: tuple[Arm, ...]
    changes: tuple[str, ...] = ()  # settings of all arms
    scenes: int | None = None  # on which starts and ends are compared; None: those of examinations


# aesthetic, which every sound can gain alike, is learned at any weight; the others are of one scene each
ALL = "semantic=2,temporal=2,aesthetic=1,spatial=2"
STARTS = (("early", 0.0, 0.0), ("middle", 0.25, 0.25), ("late", 0.5, 0.5), ("last", 0.8, 0.8))
EXPERIMENTS = {
    "rewards": Experiment(
        "What does each reward alone improve and cost, and what do all four together?",
        (Arm("all", ALL), *(Arm(f"{name}-only", f"{name}=1") for name in DIMENSIONS)),
        ("training.algorithm=nft",),
    ),
    # without guidance there is most to learn, and it takes half the time
    "dimensions": Experiment(
        "Do all four rewards together improve all four dimensions?",
        (Arm("all", "semantic=4,temporal=2,aesthetic=2,spatial=3"),),
        (
            "training.algorithm=nft",
            *(f"training.guidance.{use}=1" for use in ("sampling", "training", "reference")),
            "training.learning_rate=3e-5",
            "training.average_decay=0.95",
            "training.iterations=300",
            "examination.every=50",
        ),
        scenes=480,
    ),
    "algorithms": Experiment(
        "Does Fast-GRPO reach the reward of Flow-GRPO and DanceGRPO sooner?",
        tuple(
            Arm(name, ALL, (f"training.algorithm={name}",))
            for name in ("fast-grpo", "flow-grpo", "dance-grpo", "nft")
        ),
    ),
    "thoughts": Experiment(
        "Do the thoughts help, and does post-training help whatever is told?",
        tuple(
            Arm(name, ALL, (f"prompts.arm={name}", f"held_out.arm={name}"))
            for name in ("none", "random", "monolithic", "decomposed")
        ),
    ),
    "windows": Experiment(
        "How wide should the window of noisy steps be, and where?",
        (
            Arm("width-2", ALL),  # Fast-GRPO's own
            *(Arm(f"width-{width}", ALL, (f"training.window.width={width}",)) for width in (1, 4)),
            *(
                Arm(name, ALL, (f"training.window.since={since}", f"training.window.within={within}"))
                for name, since, within in STARTS
            ),
        ),
    ),
    "alarm": Experiment(
        "Is reward hacking noticed when one reward alone is optimised without restraint?",
        (Arm("aesthetic-only", "aesthetic=1"),),
        (
            "training.reference_weight=0",
            "training.learning_rate=3e-4",
            "examination.every=5",
            "alarm.patience=2",
        ),
    ),
}

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(  # noqa: PLR0913  # a command's options
    name: Annotated[str, typer.Argument(help=f"Which: {', '.join(EXPERIMENTS)}.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Where runs and the prompts of all are kept.", metavar="DIR"),
    ] = Path("runs/experiments"),
    results: Annotated[
        Path, typer.Option(help="Where NAME.json and the pictures are written.", metavar="DIR")
    ] = Path("experiments/results"),
    size: Annotated[
        str, typer.Option(help=f"{' or '.join(SIZES)}: for two processor cores, or a card.")
    ] = "small",
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="One setting of all arms.", metavar="A.B=C")
    ] = None,
    scenes: Annotated[
        int | None,
        typer.Option(
            help="Held-out scenes on which starts and ends are compared.", min=2, show_default="as usual"
        ),
    ] = None,
    only: Annotated[str | None, typer.Option(help="Some arms: NAME,NAME.", metavar="NAMES")] = None,
    seed: Annotated[int, typer.Option(help="Of every run.", min=0)] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Run an experiment, or go on with it; print what was found, and keep it as JSON and pictures.

    \b
    Examples:
      python -m experiments rewards
      python -m experiments algorithms --size full --device cuda
      python -m experiments windows --only width-1,width-2 --set training.iterations=10
    """
    if name not in EXPERIMENTS or size not in SIZES:
        raise typer.BadParameter(f"no experiment {name!r} of size {size!r}; see --help")
    experiment = EXPERIMENTS[name]
    arms = [arm for arm in experiment.arms if only is None or arm.name in only.split(",")]
    if not arms:
        raise typer.BadParameter(f"--only {only}: arms are {', '.join(arm.name for arm in experiment.arms)}")
    given = [*experiment.changes, f"training.seed={seed}", *(overrides or [])]
    found = run_arms(
        arms,
        size,
        out / name,
        out / "prompts",
        given,
        device,
        lambda text: typer.echo(text, err=True),
        scenes or experiment.scenes,
    )
    typer.echo("\n".join([experiment.question, "", *table(found), "", *costs(found), "", *standing(found)]))
    record = {
        "question": experiment.question,
        "command": shlex.join(["python", "-m", "experiments", *sys.argv[1:]]),
        "size": size,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}",
        "arms": [result.record() for result in found],
    }
    results.mkdir(parents=True, exist_ok=True)
    with replacing(results / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    draw_changes(found, results / f"{name}.png")
    draw_rewards(found, results / f"{name}-rewards.png")
    if name == "alarm":
        draw_alarm(found[0], results / "alarm-examinations.png")


def table(results: Sequence[Result]) -> list[str]:
    """A line per arm: every figure after training, its change, and a star where its 95 % interval is without 0."""
    rows = [["arm", *MEASURES, "distance"]]
    first = results[0]
    rows.append(["start", *(f"{c.before:.3f}" for c in first.changes.values()), f"{first.distances[0]:.0f}"])
    for result in results:
        cells = []
        for change in result.changes.values():
            sure = change.difference.low > 0 or change.difference.high < 0
            cells.append(f"{change.after:.3f} ({change.difference.value:+.3f}{'*' if sure else ''})")
        rows.append([result.name, *cells, f"{result.distances[1]:.0f}"])
    return [
        *aligned(rows),
        "",
        "In brackets: change from the arm's own start; *: its 95 % interval is without 0.",
    ]


def costs(results: Sequence[Result]) -> list[str]:
    """What an arm cost, and how long it took to the held-out reward that each arm ended with, as the first weighs it."""
    weights = results[0].settings.training.rewards
    rows = [["arm", "s/iteration", "evaluations/sound", *(f"s to end of {r.name}" for r in results)]]
    for result in results:
        ends = [examined_at(other, weights)[-1][1] for other in results]
        reached = [seconds_to(result, end, weights) for end in ends]
        rows.append(
            [
                result.name,
                f"{np.mean(seconds(result)):.1f}",
                f"{np.mean([line['evaluations_per_sound'] for line in result.rewards]):.1f}",
                *("never" if time is None else f"{time:.0f}" for time in reached),
            ]
        )
    return aligned(rows)


def standing(results: Sequence[Result]) -> list[str]:
    """How far the first arm is ahead of each other one at the end, and what both took."""
    first, lines = results[0], []
    weights = first.settings.training.rewards
    for other in results[1:]:
        found = ahead(first.last, other.last, weights)
        took = (
            f"{first.name} after {sum(seconds(first)):.0f} s, {other.name} after {sum(seconds(other)):.0f} s"
        )
        lines.append(f"{took}: held-out reward {found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]")
    return lines


if __name__ == "__main__":
    try:
        app()
    except PrismAudioError as error:
        sys.exit(f"experiments: {error}")
