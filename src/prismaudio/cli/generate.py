"""`prismaudio generate`: a video in, the video with sound out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prismaudio.cli.options import Device, DType, Duration, Force, Model, NegativePrompt, Prompt, Video

if TYPE_CHECKING:
    from prismaudio.generation.pipeline import Generation


def generate(
    video: Video,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Default: VIDEO.sound.<its ending>.", metavar="FILE")
    ] = None,
    prompt: Prompt = "",
    negative_prompt: NegativePrompt = "",
    plan: Annotated[
        Path | None, typer.Option(help="Play this plan instead of the planner's.", metavar="FILE")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed is another take.")] = 0,
    steps: Annotated[int, typer.Option(help="Sampler steps; fewer are faster and rougher.")] = 24,
    guidance: Annotated[float, typer.Option(help="How closely to follow the plan; 1 to 8.")] = 4.0,
    duration: Duration = None,
    audio: Annotated[
        Path | None, typer.Option(help="Also the sound alone: .wav or .flac.", metavar="FILE")
    ] = None,
    save_plan: Annotated[
        Path | None, typer.Option(help="Also the plan that was played: .yaml or .json.", metavar="FILE")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Also a one-page report: .png.", metavar="FILE")
    ] = None,
    loudness: Annotated[
        str, typer.Option(help="LUFS of the result; 'off' leaves it as it is.", metavar="LUFS")
    ] = "-23",
    true_peak: Annotated[float, typer.Option(help="Highest peak in dBTP.", metavar="DBTP")] = -1.0,
    sample_rate: Annotated[int, typer.Option(help="44100 or 48000.", metavar="HZ")] = 44100,
    model: Model = "embedded",
    device: Device = "auto",
    dtype: DType = "auto",
    profile: Annotated[bool, typer.Option("--profile", help="Print the seconds of every stage.")] = False,
    keep_original: Annotated[
        bool, typer.Option("--keep-original", help="Keep the video's own sound as a second track.")
    ] = False,
    force: Force = False,
) -> None:
    """Generate sound for VIDEO.

    The pictures are copied untouched and the sound is exactly as long as they are. An output that exists
    is kept unless --force is given.

    \b
    Examples:
      prismaudio generate clip.mp4
      prismaudio generate clip.mp4 -o dog.mp4 --prompt "a dog barking, +rain" --avoid "music"
      prismaudio generate clip.mp4 --seed 7 --audio take7.wav --picture take7.png
      prismaudio plan clip.mp4 -o plan.yaml      # edit plan.yaml, then
      prismaudio generate clip.mp4 --plan plan.yaml
    """
    from prismaudio.cli.outputs import PLAN_FILES, check_output, print_plan
    from prismaudio.cli.progress import ProgressBar
    from prismaudio.generation.pipeline import SOUND_FILES, VideoToAudio
    from prismaudio.generation.stages import Stages
    from prismaudio.media.mux import FILE_KINDS, mux

    out = out or default_out(video, tuple(FILE_KINDS))
    outputs = {out: FILE_KINDS, audio: SOUND_FILES, save_plan: PLAN_FILES, picture: (".png",)}
    for path, endings in outputs.items():
        check_output(path, tuple(endings), force=force, source=video)
    level = level_of(loudness)

    with ProgressBar() as progress:
        around = Stages(progress)
        with around.stage("load"):
            pipeline = VideoToAudio.from_pretrained(model, device=device, dtype=dtype)
        result = pipeline(
            video,
            prompt=prompt,
            negative_prompt=negative_prompt,
            plan=plan,
            duration=duration,
            seed=seed,
            steps=steps,
            guidance=guidance,
            loudness=level,
            true_peak=true_peak,
            sample_rate=sample_rate,
            progress=progress,
        )
        with around.stage("write"):
            mux(video, result.audio, out, keep_original=keep_original)
            write_beside(result, audio, save_plan, picture)

    print_plan(result.plan)
    for note in result.notes:
        typer.echo(f"prismaudio: note: {note}", err=True)
    typer.echo("\n".join(f"wrote {path}" for path in outputs if path is not None))
    if profile:
        print_times({"load": around.timings["load"], **result.timings, "write": around.timings["write"]})


def write_beside(result: "Generation", audio: Path | None, plan: Path | None, picture: Path | None) -> None:
    """What was asked for besides the video."""
    if audio is not None:
        result.save(audio)
    if plan is not None:
        result.plan.save(plan)
    if picture is not None:
        from prismaudio.generation.picture import draw

        draw(result, picture)


def default_out(video: Path, endings: tuple[str, ...]) -> Path:
    """clip.mp4 -> clip.sound.mp4; kinds of file that cannot be written become .mkv."""
    ending = video.suffix if video.suffix.lower() in endings else ".mkv"
    return video.with_name(f"{video.stem}.sound{ending}")


def level_of(text: str) -> float | None:
    """'-23' -> -23.0, 'off' -> None"""
    if text == "off":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(f"--loudness {text!r} is neither a number of LUFS nor 'off'") from error


def print_times(timings: dict[str, float]) -> None:
    """Seconds per stage, and their sum."""
    for name, seconds in [*timings.items(), ("total", sum(timings.values()))]:
        typer.echo(f"{name:<10} {seconds:7.2f} s")
