"""`prismaudio score`: what the sound of a video is worth, in four dimensions."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prismaudio.cli.options import (
    Device,
    Fallback,
    Force,
    Hint,
    JudgeChanges,
    JudgesName,
    Language,
    Model,
    PlannerName,
    PlannerSettings,
    Prompt,
    ScalingName,
    Videos,
    WeightsText,
)

if TYPE_CHECKING:
    from prismaudio.generation.exhibits import Thoughts


def score(
    videos: Videos,
    audio: Annotated[
        list[Path] | None,
        typer.Option(help="A sound for VIDEO instead of its own; repeat it to compare.", metavar="FILE"),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="The true sound, for judges that compare (spatial=gcc, crw).", metavar="FILE"),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(help="What it should sound like, instead of the planner's thoughts.", metavar="FILE"),
    ] = None,
    prompt: Prompt = "",
    planner: PlannerName = "embedded",
    fallback: Fallback = None,
    planner_set: PlannerSettings = None,
    hint: Hint = "",
    language: Language = "English",
    judges: JudgesName = "embedded",
    judge: JudgeChanges = None,
    weights: WeightsText = "",
    scaling: ScalingName = "unit",
    duration: Annotated[
        float | None, typer.Option(help="Judge only the first so many seconds.", metavar="SECONDS")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Also all figures.", metavar="FILE")] = None,
    model: Model = "embedded",
    device: Device = "auto",
    force: Force = False,
) -> None:
    """Score the sound of every VIDEO: does it fit what is seen, in time, clean, and from the right place?

    Each dimension has its judge. One that is not to be had, or has nothing to say of a sound, is "n/a: reason" and does
    not count in the total. Of several videos, one that cannot be read does not stop the others.

    \b
    Examples:
      prismaudio score clip.sound.mp4
      prismaudio score clip.mp4 --audio take1.wav --audio take2.wav --plan clip.plan.yaml
      prismaudio score out/*.mp4 --json scores.json --weights semantic=1,temporal=1,aesthetic=0,spatial=1
      prismaudio score clip.mp4 --audio a.wav --reference true.wav --judge spatial=gcc
      prismaudio score clip.mp4 --judges published --scaling published --judge semantic=ms-clap:msclap/
    """
    from prismaudio.cli.delivery import print_notes
    from prismaudio.cli.judges import panel_of
    from prismaudio.cli.outputs import check_output
    from prismaudio.cli.planners import planner_of
    from prismaudio.cli.progress import ProgressBar
    from prismaudio.dimensions.plan import Plan
    from prismaudio.generation.exhibits import Exhibit, given, score_all
    from prismaudio.generation.judging import weights_of
    from prismaudio.generation.pipeline import VideoToAudio

    if len(videos) > 1 and (audio or reference or plan):
        raise typer.BadParameter("--audio, --reference and --plan are of one video; score the others apart")
    check_output(json, (".json",), force=force, source=videos[0])
    shares, panel = weights_of(weights), panel_of(judges, judge, scaling, device)
    exhibits = [Exhibit(video, tuple(audio or ()), reference) for video in videos]
    with ProgressBar() as progress:
        if plan is None:
            thinking = planner_of(planner, fallback, planner_set)
            pipeline = VideoToAudio.from_pretrained(model, planner=thinking, device=device, progress=progress)
            thoughts: Thoughts = partial(
                pipeline.plan,
                prompt=prompt,
                hint=hint,
                language=language,
                duration=duration,
                progress=progress,
            )
        else:
            thoughts = given(Plan.load(plan), prompt)
        report = score_all(exhibits, panel, thoughts, weights=shares, duration=duration, progress=progress)
    if json is not None:
        report.save(json)
    if report.scores:
        typer.echo(report.table())
    for found in report.scores:
        print_notes([f"{found.sound}: {note}" for note in found.notes])
    for error in report.failures.values():
        typer.echo(f"prismaudio: {error}", err=True)
    if report.failures:
        raise typer.Exit(1)
