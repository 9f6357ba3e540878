"""`prismaudio generate`: videos in, the videos with sound out."""

from pathlib import Path
from typing import Annotated

import typer

from prismaudio.cli.options import (
    Device,
    DType,
    Duration,
    EngineName,
    Fallback,
    Force,
    Hint,
    JudgeChanges,
    JudgesName,
    Language,
    Model,
    NegativePrompt,
    PlannerName,
    PlannerSettings,
    Prompt,
    ScalingName,
    Videos,
    WeightsText,
)


def generate(
    videos: Videos,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="A file; a folder for several sounds. Default: VIDEO.sound.<its ending>.",
            metavar="PATH",
        ),
    ] = None,
    prompt: Prompt = "",
    negative_prompt: NegativePrompt = "",
    plan: Annotated[
        Path | None, typer.Option(help="Play this plan instead of the planner's.", metavar="FILE")
    ] = None,
    planner: PlannerName = "embedded",
    fallback: Fallback = None,
    planner_set: PlannerSettings = None,
    hint: Hint = "",
    language: Language = "English",
    caption: Annotated[
        str | None,
        typer.Option(help="Words for the text encoder, as they are, instead of thoughts.", metavar="TEXT"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed is another take.")] = 0,
    takes: Annotated[
        int, typer.Option(help="So many takes of each video, made together: seeds SEED, SEED + 1 ...", min=1)
    ] = 1,
    candidates: Annotated[
        int | None,
        typer.Option(help="Make so many takes of each video, judge them, and keep the best.", min=1),
    ] = None,
    keep: Annotated[int, typer.Option(help="Of the candidates, so many.", min=1)] = 1,
    choose_by: Annotated[
        str,
        typer.Option(
            help="total; balanced, in which each dimension decides by its weight however little it spreads; "
            "semantic, temporal, aesthetic or spatial.",
            metavar="NAME",
        ),
    ] = "total",
    judges: JudgesName = "embedded",
    judge: JudgeChanges = None,
    weights: WeightsText = "",
    scaling: ScalingName = "unit",
    card: Annotated[
        Path | None,
        typer.Option(
            help="Where the scores of a single kept sound go; default: beside it, as .card.json.",
            metavar="FILE",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Sampler steps; fewer are faster and rougher.")] = 24,
    sampler: Annotated[
        str, typer.Option(help="euler, as published; adams and midpoint are of second order.", metavar="NAME")
    ] = "euler",
    guidance: Annotated[
        float | None,
        typer.Option(
            help="How closely to follow the plan, 1 to 8; default: the model's own.", metavar="SCALE"
        ),
    ] = None,
    guided: Annotated[
        str,
        typer.Option(
            help="Flow times that are guided, LOW:HIGH; those outside cost half.", metavar="LOW:HIGH"
        ),
    ] = "0:1",
    arm: Annotated[
        str,
        typer.Option(
            help="How much of the thoughts the model is told: none, random, monolithic, decomposed, "
            "without-semantic, without-temporal ...",
            metavar="NAME",
        ),
    ] = "decomposed",
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
    engine: EngineName = "auto",
    memory: Annotated[
        float | None,
        typer.Option(help="GiB of device memory to stay under; default: no limit.", metavar="GIB"),
    ] = None,
    reproduce_release: Annotated[
        bool,
        typer.Option(
            "--reproduce-release",
            help="Published model only: do exactly what the authors' program does, defects included.",
        ),
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Print the seconds of every stage.")] = False,
    keep_original: Annotated[
        bool, typer.Option("--keep-original", help="Keep the video's own sound as a second track.")
    ] = False,
    force: Force = False,
) -> None:
    """Generate sound for every VIDEO.

    The pictures are copied untouched and the sound is exactly as long as they are. An output that exists
    is kept unless --force is given. Of several videos, one that cannot be read does not stop the others.

    \b
    Examples:
      prismaudio generate clip.mp4
      prismaudio generate clip.mp4 -o dog.mp4 --prompt "a dog barking, +rain" --avoid "music"
      prismaudio generate clip.mp4 --seed 7 --audio take7.wav --picture take7.png
      prismaudio generate *.mp4 -o sounds/ --takes 4
      prismaudio generate clip.mp4 --candidates 8                  # the best of eight, and a card of its scores
      prismaudio generate clip.mp4 --candidates 16 --keep 3 --choose-by temporal
      prismaudio plan clip.mp4 -o plan.yaml      # edit plan.yaml, then
      prismaudio generate clip.mp4 --plan plan.yaml
      prismaudio generate clip.mp4 --planner "caption:a dog barks twice, then a door slams"
      prismaudio generate clip.mp4 --planner gemini --fallback embedded --hint "my workshop"
      prismaudio generate clip.mp4 --model FunAudioLLM/PrismAudio
    """
    from prismaudio.cli.choosing import choosing, deliver_best
    from prismaudio.cli.delivery import Beside, Deliverer, print_times
    from prismaudio.cli.outputs import check_outputs, sound_paths
    from prismaudio.cli.planners import planner_of
    from prismaudio.cli.progress import ProgressBar
    from prismaudio.generation.candidates import best_of_many
    from prismaudio.generation.many import generate_many
    from prismaudio.generation.pipeline import VideoToAudio
    from prismaudio.generation.thinking import Job
    from prismaudio.stages import Stages

    rules = {"judges": judges, "changes": judge, "scaling": scaling, "device": device}
    chosen = choosing(candidates, keep, choose_by, weights, takes, card, rules)
    made = takes if chosen is None else chosen.names
    seeds = [seed + number for number in range(made)]
    outs = sound_paths(videos, seeds, out)
    beside = Beside(audio, save_plan, picture)
    check_outputs(dict(zip(outs, [video for video in videos for _ in seeds], strict=True)), force=force)
    beside.check(len(videos) * (takes if chosen is None else keep), videos[0], force=force)
    if chosen is not None:
        chosen.check(outs, videos, force=force)
    low, high = interval_of(guided)
    choices = {
        "duration": duration,
        "steps": steps,
        "sampler": sampler,
        "guidance": guidance,
        "guided_from": low,
        "guided_to": high,
        "language": language,
        "arm": arm,
        "loudness": level_of(loudness),
        "true_peak": true_peak,
        "sample_rate": sample_rate,
    }
    with ProgressBar() as progress:
        around = Stages(progress)
        with around.stage("load"):
            pipeline = VideoToAudio.from_pretrained(
                model,
                planner=planner_of(planner, fallback, planner_set),
                device=device,
                dtype=dtype,
                engine=engine,
                memory=memory,
                reproduce_release=reproduce_release,
                progress=progress,
            )
        jobs = [
            Job(video, prompt, negative_prompt, plan, caption, number, hint)
            for video in videos
            for number in (seeds if chosen is None else seeds[:1])
        ]
        deliverer = Deliverer(beside, around, keep_original=keep_original)
        if chosen is None:
            results = generate_many(pipeline, jobs, progress=progress, **choices)
            written = [deliverer(result, path) for path, result in zip(outs, results, strict=True)]
        else:
            found = best_of_many(pipeline, jobs, chosen.panel, chosen.choice, progress=progress, **choices)
            written = [
                sound
                for number, best in enumerate(found)
                for sound in deliver_best(best, outs[number * made :][:made], chosen, deliverer)
            ]
    if profile:
        print_times(around.timings, [result for result in written if result is not None])
    if None in written:
        raise typer.Exit(1)


def interval_of(text: str) -> tuple[float, float]:
    """'0.1:0.9' -> (0.1, 0.9)"""
    low, _, high = text.partition(":")
    try:
        return float(low), float(high)
    except ValueError as error:
        raise typer.BadParameter(f"--guided {text!r} is not LOW:HIGH, such as 0.1:0.9") from error


def level_of(text: str) -> float | None:
    """'-23' -> -23.0, 'off' -> None"""
    if text == "off":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(f"--loudness {text!r} is neither a number of LUFS nor 'off'") from error
