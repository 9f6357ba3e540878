"""The command `prismaudio`: one short file per subcommand; problems become one line, whatever went wrong.

Nothing heavy is imported before a command runs, so that help is instant.
"""

import logging
import os
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from prismaudio.cli import (
    annotate,
    benchmark,
    convert,
    demo,
    download,
    evaluate,
    evaluate_candidates,
    evaluate_folder,
    generate,
    listen,
    plan,
    posttrain,
    score,
    stage,
    train,
)
from prismaudio.errors import PrismAudioError

EXIT_CODES = """\b
Exit codes:
  0    done
  1    it could not be done; one line on stderr says why
  2    the command line was not understood
  130  interrupted; nothing half-written is left behind

Set PRISMAUDIO_DEBUG=1 to see where a problem arose."""

app = typer.Typer(
    name="prismaudio",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command, summary in (
    (generate.generate, "Give a video its sound."),
    (plan.plan, "Write down what a video should sound like."),
    (score.score, "Say what the sound of a video is worth."),
    (stage.stage, "Make short films whose sounds are known."),
    (annotate.annotate, "Let a planner write down the sound of many videos, to learn from."),
    (train.train, "Train the embedded model or a part of it."),
    (posttrain.posttrain, "Let a generator learn from rewards."),
    (download.download, "Get the published weights."),
    (convert.convert, "Make published weights a folder of safetensors."),
    (demo.demo, "See it work on two videos that come with it."),
):
    app.command(short_help=summary, epilog=EXIT_CODES)(command)

measuring = typer.Typer(cls=evaluate_folder.Evaluations, no_args_is_help=True, rich_markup_mode=None)
measuring.callback(epilog=EXIT_CODES)(evaluate_folder.evaluations)
measuring.command(evaluate_folder.BENCHMARK, hidden=True, epilog=EXIT_CODES)(evaluate.evaluate)
measuring.command(short_help="Is the best of several takes better?", epilog=EXIT_CODES)(
    evaluate_candidates.candidates
)
measuring.command(short_help="Measure the sounds of any system.", epilog=EXIT_CODES)(evaluate_folder.folder)
measuring.command(short_help="Is one system better than another?", epilog=EXIT_CODES)(evaluate_folder.compare)
app.add_typer(measuring, name="evaluate", short_help="Measure generated sound.")

asking = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
asking.callback(epilog=EXIT_CODES)(listen.listen)
asking.command(short_help="A page for raters.", epilog=EXIT_CODES)(listen.make)
asking.command(short_help="What their answers say.", epilog=EXIT_CODES)(listen.analyse)
app.add_typer(asking, name="listen", short_help="Ask people: pages for listening tests, and their answers.")

canvas = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
canvas.callback(epilog=EXIT_CODES)(benchmark.benchmark)
canvas.command("stage-canvas", short_help="Make this project's benchmark, from a seed.", epilog=EXIT_CODES)(
    benchmark.stage_canvas
)
canvas.command("import", short_help="A manifest from other people's tables.", epilog=EXIT_CODES)(
    benchmark.import_
)
canvas.command(short_help="Leave out what a benchmark must not hold.", epilog=EXIT_CODES)(benchmark.build)
canvas.command(short_help="Is a manifest whole, are its files the right ones?", epilog=EXIT_CODES)(
    benchmark.check
)
canvas.command(short_help="Judge the sounds of any systems.", epilog=EXIT_CODES)(benchmark.run)
app.add_typer(canvas, name="benchmark", short_help="Make, filter and run benchmarks of clips.")


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C or asked the process to end; not an error, so nothing on the way catches it."""


@app.callback(epilog=EXIT_CODES)
def prismaudio(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
) -> None:
    """Synchronised stereo sound for silent video, thought through in four dimensions."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"prismaudio {installed('prismaudio')}")
        raise typer.Exit


def main() -> NoReturn:
    """Run one command and end the process with its exit code."""
    # Idle threads sleep instead of spinning: on a machine that is busy with other work a sound takes 16 s, not minutes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(format="prismaudio: %(message)s", level=logging.WARNING)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        app()
    except Interrupted as interrupted:
        _stop("interrupted", 128 + interrupted.args[0])
    except PrismAudioError as error:
        _stop(str(error), 1)
    except Exception as error:
        _stop(f"internal error: {type(error).__name__}: {error}; set PRISMAUDIO_DEBUG=1 and report it", 1)
    sys.exit(0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


def _stop(message: str, code: int) -> NoReturn:
    """Say why on one line, or let the traceback be seen by those who want it."""
    if os.environ.get("PRISMAUDIO_DEBUG"):
        raise
    typer.echo(f"prismaudio: {' '.join(message.split())}", err=True)
    sys.exit(code)
