"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Video = Annotated[Path, typer.Argument(help="The video, of any kind that ffmpeg reads.", metavar="VIDEO")]
Videos = Annotated[
    list[Path], typer.Argument(help="One or more videos, of any kind that ffmpeg reads.", metavar="VIDEO...")
]
Prompt = Annotated[
    str,
    typer.Option(
        help="What shall sound, as phrases between commas; '+rain' only adds. Without it the planner decides.",
        metavar="TEXT",
    ),
]
NegativePrompt = Annotated[
    str, typer.Option("--negative-prompt", "--avoid", help="What must not sound.", metavar="TEXT")
]
Duration = Annotated[
    float | None, typer.Option(help="Sound only the first so many seconds.", metavar="SECONDS")
]
Model = Annotated[
    str,
    typer.Option(
        help="'embedded'; a folder that training, download or convert wrote; or a hub model "
        "such as FunAudioLLM/PrismAudio.",
        metavar="NAME",
    ),
]
PlannerName = Annotated[
    str,
    typer.Option(
        "--planner",
        help="Who writes the thoughts: embedded; caption:SENTENCE; file:PLAN; local[:FOLDER or hub model]; "
        "openai:MODEL[@URL]; gemini[:MODEL].",
        metavar="NAME",
    ),
]
Fallback = Annotated[
    str | None,
    typer.Option(help="Another planner, for when that one fails; default: give up.", metavar="NAME"),
]
PlannerSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--planner-set",
        help="How a language model is asked: listen=true, evidence=told|kept|unused, footage=video|frames, "
        "prose=true, adapter=FOLDER, timeout=SECONDS.",
        metavar="A=B",
    ),
]
Hint = Annotated[
    str, typer.Option(help="What you know of the clip, for its planner: 'my workshop'.", metavar="TEXT")
]
Language = Annotated[
    str, typer.Option(help="Of the words of the thoughts; language models speak most.", metavar="NAME")
]
JudgesName = Annotated[
    str,
    typer.Option(
        "--judges", help="Who scores: embedded, or published (fetched when needed).", metavar="NAME"
    ),
]
JudgeChanges = Annotated[
    list[str] | None,
    typer.Option(
        "--judge",
        help="Another judge of one dimension, as semantic=ms-clap:FILE, spatial=gcc or temporal=off; repeat it.",
        metavar="A=B",
    ),
]
WeightsText = Annotated[
    str,
    typer.Option(
        "--weights",
        help="Of the dimensions in the total; default: semantic=1,temporal=.6,aesthetic=.1,spatial=.4.",
        metavar="A=B,...",
    ),
]
ScalingName = Annotated[
    str,
    typer.Option(
        "--scaling", help="unit: all rewards from 0 to 1; published: as PrismAudio trained.", metavar="NAME"
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.", metavar="NAME")]
DType = Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16, float16.", metavar="NAME")]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        help="How steps are launched: eager, graph (CUDA), compile; auto takes graph on CUDA.",
        metavar="NAME",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite files that exist.")]
CorpusFolder = Annotated[
    Path | None,
    typer.Option("--corpus", help="Labelled sounds and sprites; default: of the checkout.", metavar="DIR"),
]
