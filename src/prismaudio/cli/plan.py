"""`prismaudio plan`: the four thoughts about a video, to write down, read, edit, check and compare."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prismaudio.cli.options import (
    Device,
    Duration,
    Fallback,
    Force,
    Hint,
    Language,
    Model,
    NegativePrompt,
    PlannerName,
    PlannerSettings,
    Prompt,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prismaudio.dimensions.diff import Change
    from prismaudio.dimensions.lint import Finding
    from prismaudio.dimensions.plan import Plan
    from prismaudio.planning.base import Planner


class Style(StrEnum):
    """How the paragraphs stand in their text."""

    TAGGED = "tagged"
    PLAIN = "plain"


class Timing(StrEnum):
    """Whether the paragraphs hold numbers."""

    ORDINAL = "ordinal"
    NUMERIC = "numeric"


class Format(StrEnum):
    """What is printed."""

    TEXT = "text"
    YAML = "yaml"
    JSON = "json"


def plan(
    video: Annotated[
        Path | None, typer.Argument(help="The video, of any kind that ffmpeg reads.", metavar="VIDEO")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help=".yaml or .json. Default: VIDEO.plan.yaml.", metavar="FILE"),
    ] = None,
    prompt: Prompt = "",
    negative_prompt: NegativePrompt = "",
    planner: PlannerName = "embedded",
    fallback: Fallback = None,
    planner_set: PlannerSettings = None,
    hint: Hint = "",
    language: Language = "English",
    duration: Duration = None,
    read: Annotated[
        Path | None,
        typer.Option(
            help="Take this plan, or these four paragraphs (.txt), instead of thinking.", metavar="FILE"
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="Say what contradicts itself in this plan, of VIDEO if given.", metavar="FILE"),
    ] = None,
    diff: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Say what changed from plan A to plan B.", metavar="A B")
    ] = None,
    style: Annotated[Style | None, typer.Option(help="Print what a model reads, in this style.")] = None,
    timing: Annotated[Timing | None, typer.Option(help="The same, without or with numbers.")] = None,
    arm: Annotated[
        str | None,
        typer.Option(
            help="The same, for an ablation: none, random, monolithic, decomposed, without-semantic ...",
            metavar="NAME",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the arm 'random'.", min=0)] = 0,
    kind: Annotated[Format, typer.Option("--format", help="Of what is printed.")] = Format.TEXT,
    model: Model = "embedded",
    device: Device = "auto",
    force: Force = False,
) -> None:
    """Write down what VIDEO should sound like: what, when, how and where.

    \b
    Examples:
      prismaudio plan clip.mp4
      prismaudio plan clip.mp4 -o plan.yaml --prompt "a hammer on an anvil"
      prismaudio plan clip.mp4 --planner openai:Qwen/Qwen3-VL-8B-Instruct@http://localhost:8000/v1
      prismaudio plan clip.mp4 --planner gemini --planner-set listen=true --language German
      prismaudio plan --check plan.yaml                      # exit code 1 if it contradicts itself
      prismaudio plan --diff plan.yaml edited.yaml
      prismaudio plan --read plan.yaml --arm without-spatial --timing numeric
      prismaudio plan --read thoughts.txt --duration 9 -o plan.yaml
      prismaudio generate clip.mp4 --plan plan.yaml
    """
    from prismaudio.cli.outputs import PLAN_FILES, check_output
    from prismaudio.cli.planners import planner_of

    if sum(given is not None for given in (read, check, diff)) > 1:
        raise typer.BadParameter("--read, --check and --diff do not go together")
    if diff is not None:
        print_changes(*diff, kind)
        return
    if check is not None:
        print_findings(check, video, kind)
        return
    source = read or video
    if source is None:
        raise typer.BadParameter("give VIDEO, or a plan to --read, --check or --diff")
    if read is None:
        out = out or source.with_name(f"{source.stem}.plan.yaml")
    check_output(out, PLAN_FILES, force=force, source=source)
    if read is None:
        thinker = planner_of(planner, fallback, planner_set)
        wishes = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "hint": hint,
            "language": language,
            "duration": duration,
        }
        thoughts = think(source, thinker, model, device, wishes)
    else:
        thoughts = read_thoughts(read, duration)
    show(thoughts, kind, style, timing, arm, seed)
    if out is not None:
        thoughts.save(out)
        typer.echo(f"wrote {out}", err=kind is not Format.TEXT)


def think(video: Path, planner: "Planner", model: str, device: str, wishes: dict[str, Any]) -> "Plan":
    """The planner's own thoughts, signed."""
    from importlib.metadata import version

    from prismaudio.cli.progress import ProgressBar
    from prismaudio.generation.pipeline import VideoToAudio

    with ProgressBar() as progress:
        pipeline = VideoToAudio.from_pretrained(model, planner=planner, device=device)
        thoughts = pipeline.plan(video, progress=progress, **wishes)
    for note in thoughts.provenance.notes:
        typer.echo(f"prismaudio: note: {note}", err=True)
    return thoughts.about(video, versions={"prismaudio": version("prismaudio")})


def read_thoughts(path: Path, duration: float | None) -> "Plan":
    """A plan file, or paragraphs."""
    from prismaudio.dimensions.parse import read_text
    from prismaudio.dimensions.plan import Plan

    return read_text(path, duration) if path.suffix == ".txt" else Plan.load(path)


def show(
    thoughts: "Plan", kind: Format, style: Style | None, timing: Timing | None, arm: str | None, seed: int
) -> None:
    """The four thoughts, a line each; what a model reads, if that is asked for; or the file."""
    from prismaudio.cli.outputs import print_plan
    from prismaudio.dimensions.arms import Arm, arm_named, arm_text

    if kind is not Format.TEXT:
        typer.echo(thoughts.to_text("json" if kind is Format.JSON else "yaml"), nl=False)
    elif style or timing or arm:
        chosen = arm_named(arm) if arm else Arm.DECOMPOSED
        typer.echo(
            arm_text(thoughts, chosen, seed, (style or Style.TAGGED).value, (timing or Timing.ORDINAL).value)
        )
    else:
        print_plan(thoughts)


def print_findings(path: Path, video: Path | None, kind: Format) -> None:
    """What is wrong with a plan; errors end the command with exit code 1."""
    from prismaudio.dimensions.lint import ContradictoryPlan, lint
    from prismaudio.dimensions.plan import Plan
    from prismaudio.media.video import probe

    thoughts = Plan.load(path)
    findings = lint(thoughts, None if video is None else probe(video).duration)
    print_all(findings, kind, none="nothing to mend")
    if video is not None and (note := thoughts.mismatch(video)):
        typer.echo(f"prismaudio: note: {note}", err=True)
    errors = sum(finding.severity == "error" for finding in findings)
    if errors:
        raise ContradictoryPlan(path, errors)


def print_changes(before: Path, after: Path, kind: Format) -> None:
    """What is different, under the name of its dimension."""
    from prismaudio.dimensions.diff import diff
    from prismaudio.dimensions.plan import Plan

    print_all(diff(Plan.load(before), Plan.load(after)), kind, none="no difference")


def print_all(items: "Sequence[Finding] | Sequence[Change]", kind: Format, none: str) -> None:
    """One a line, or as values."""
    import json
    from dataclasses import asdict

    import yaml

    if kind is Format.TEXT:
        typer.echo("\n".join(f"{item.dimension:<10} {item}" for item in items) or none)
        return
    text = json.dumps([asdict(item) for item in items], indent=1, ensure_ascii=False)
    if kind is Format.YAML:
        text = yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True)
    typer.echo(text)
