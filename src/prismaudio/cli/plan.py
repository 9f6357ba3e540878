"""`prismaudio plan`: the four thoughts about a video, to read and to edit."""

from pathlib import Path
from typing import Annotated

import typer

from prismaudio.cli.options import Device, Duration, Force, Model, NegativePrompt, Prompt, Video


def plan(
    video: Video,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help=".yaml or .json. Default: VIDEO.plan.yaml.", metavar="FILE"),
    ] = None,
    prompt: Prompt = "",
    negative_prompt: NegativePrompt = "",
    duration: Duration = None,
    model: Model = "embedded",
    device: Device = "auto",
    force: Force = False,
) -> None:
    """Write down what VIDEO should sound like: what, when, how and where.

    \b
    Examples:
      prismaudio plan clip.mp4
      prismaudio plan clip.mp4 -o plan.yaml --prompt "a hammer on an anvil"
      prismaudio generate clip.mp4 --plan plan.yaml
    """
    from prismaudio.cli.outputs import PLAN_FILES, check_output, print_plan
    from prismaudio.cli.progress import ProgressBar
    from prismaudio.generation.pipeline import VideoToAudio

    out = out or video.with_name(f"{video.stem}.plan.yaml")
    check_output(out, PLAN_FILES, force=force, source=video)
    with ProgressBar() as progress:
        pipeline = VideoToAudio.from_pretrained(model, device=device)
        thoughts = pipeline.plan(
            video, prompt=prompt, negative_prompt=negative_prompt, duration=duration, progress=progress
        )
    thoughts.save(out)
    print_plan(thoughts)
    typer.echo(f"wrote {out}")
