"""`prismaudio annotate`: plans of many videos by one teacher, in one file, for training."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prismaudio.cli.options import Force, Hint, Language, PlannerSettings

if TYPE_CHECKING:
    from prismaudio.planning.base import Planner
    from prismaudio.planning.teacher import Prices


class Export(StrEnum):
    """Whose training data."""

    MS_SWIFT = "ms-swift"
    LLAMA_FACTORY = "llama-factory"
    VIDEOLLAMA2 = "videollama2"


def annotate(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Videos, and folders of them; with --export, one annotations file.", metavar="PATH..."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help=".jsonl, continued if it exists; with --export, the new file.", metavar="FILE"
        ),
    ],
    planner: Annotated[
        str,
        typer.Option(
            help="The teacher: gemini[:MODEL]; openai:MODEL[@URL]; local[:FOLDER or hub model]; embedded; "
            "caption:SENTENCE; file for the plans beside the videos.",
            metavar="NAME",
        ),
    ] = "gemini",
    listen: Annotated[
        bool, typer.Option("--listen", help="Let the teacher hear the videos; gemini does.")
    ] = False,
    planner_set: PlannerSettings = None,
    hint: Hint = "",
    avoid: Annotated[str, typer.Option(help="What must not sound, between commas.", metavar="TEXT")] = "",
    language: Language = "English",
    duration: Annotated[
        float | None, typer.Option(help="Plan only the first so many.", min=0.1, metavar="SECONDS")
    ] = None,
    workers: Annotated[int, typer.Option(help="Videos at a time.", min=1)] = 4,
    per_minute: Annotated[
        float | None, typer.Option(help="Begin at most so many a minute.", min=0.01, metavar="N")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Ask about at most so many in this run.", min=1)] = None,
    retry_failed: Annotated[bool, typer.Option(help="Ask again where an earlier run failed.")] = True,
    price_in: Annotated[
        float | None, typer.Option(help="Of a million tokens read, to tell the cost.", min=0)
    ] = None,
    price_out: Annotated[float | None, typer.Option(help="Of a million tokens written.", min=0)] = None,
    seed: Annotated[int, typer.Option(help="For the teacher.", min=0)] = 0,
    export: Annotated[
        Export | None, typer.Option(help="Write annotations as the training data of another program.")
    ] = None,
    force: Force = False,
) -> None:
    """Let a teacher write the four thoughts about every video in PATH into a file, one JSON object per line.

    The same command continues where it stopped: what was answered is not asked again, whatever the videos are called
    by now. Failures are written down, too, and tried again by the next run. Ctrl-C waits for answers on their way.

    \b
    Examples:
      prismaudio annotate clips/ -o plans.jsonl --planner gemini --listen --price-in 1.25 --price-out 10
      prismaudio annotate clips/ -o plans.jsonl --planner openai:Qwen/Qwen3-VL-32B-Instruct@http://localhost:8000/v1
      prismaudio stage scenes/ --count 1000 --split train
      prismaudio annotate scenes/ -o plans.jsonl --planner file           # the exact plans of stage scenes
      prismaudio annotate plans.jsonl --export ms-swift -o swift.jsonl
      prismaudio train planner --teacher plans.jsonl --out runs/student
    """
    if export is not None:
        write_export(sources, export, out, force=force)
        return
    from tqdm import tqdm

    from prismaudio.cli.outputs import check_output
    from prismaudio.generation.measuring import Measurer
    from prismaudio.generation.prompting import phrases
    from prismaudio.planning.annotating import Pace, Scope, Tally, videos_in
    from prismaudio.planning.annotating import annotate as run
    from prismaudio.planning.annotation import Ledger
    from prismaudio.planning.teacher import Teacher

    check_output(out, (".jsonl",), force=True, source=Path(__file__))
    videos = videos_in(sources)
    teacher = Teacher(
        planner=teacher_of(planner, [*(planner_set or []), *(["listen=true"] if listen else [])]),
        measure=Measurer(),
        hint=hint,
        avoid=tuple(phrases(avoid)),
        language=language,
        longest=duration,
        seed=seed,
        prices=prices(price_in, price_out),
    )
    with tqdm(total=len(videos), desc="annotate", unit="clip", disable=None) as bar:

        def report(tally: Tally) -> None:
            bar.set_postfix(done=tally.done, skipped=tally.skipped, failed=tally.failed, refresh=False)
            bar.update(tally.seen - bar.n)

        tally = run(
            videos, teacher, Ledger(out), Pace(workers, per_minute), Scope(limit, retry_failed), report
        )
    typer.echo(f"{tally.told()}\nplans in {out}")
    tally.check()


def teacher_of(name: str, settings: list[str]) -> "Planner":
    """--planner, --listen and --planner-set"""
    from prismaudio.cli.planners import planner_of
    from prismaudio.planning.written import PlansBeside

    return PlansBeside() if name == PlansBeside.name else planner_of(name, None, settings)


def prices(read: float | None, written: float | None) -> "Prices | None":
    """--price-in and --price-out; of one alone the other is nothing."""
    from prismaudio.planning.teacher import Prices

    return None if read is None and written is None else Prices(read or 0.0, written or 0.0)


def write_export(sources: list[Path], kind: Export, out: Path, *, force: bool) -> None:
    """The lessons of a file of annotations, as another program reads them."""
    from prismaudio.cli.outputs import check_output
    from prismaudio.planning.annotation import latest
    from prismaudio.planning.curriculum import curriculum
    from prismaudio.planning.export import export

    if len(sources) != 1:
        raise typer.BadParameter("--export takes one file of annotations")
    ending = ".jsonl" if kind is Export.MS_SWIFT else ".json"
    check_output(out, (ending,), force=force, source=sources[0])
    found = curriculum(latest(sources[0]), sources[0])
    for why in found.left_out:
        typer.echo(f"prismaudio: left out {why}", err=True)
    found.check()
    files = export(found.lessons, kind.value, out)
    typer.echo(f"wrote {len(found.lessons)} lessons to {', '.join(map(str, files))}")
