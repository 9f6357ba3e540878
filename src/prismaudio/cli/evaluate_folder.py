"""`prismaudio evaluate folder` and `compare`: figures for the sounds of any system, and which of two is better."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from prismaudio.cli.evaluate import Benchmark
from prismaudio.cli.options import Device, Force

BENCHMARK = "benchmark"

Cache = Annotated[
    Path | None,
    typer.Option("--cache", help="Where features are kept; default: ~/.cache/prismaudio.", metavar="DIR"),
]


class Evaluations(TyperGroup):
    """Folders have commands of their own; every other benchmark is the argument of one command."""

    def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def]  # click's own types are not installed
        if args and args[0] in {*Benchmark}:
            return "", self.commands[BENCHMARK], args
        return super().resolve_command(ctx, args)


def evaluations() -> None:
    """Measure generated sound: on scenes whose truth is known, or in plain folders of any system's files.

    \b
      stage, edits, arms, planner
                     the model on held-out scenes; see: prismaudio evaluate stage --help
      candidates     is the best of several takes better, and in what?
      folder         files of any system, with or without references, videos and texts
      compare        two reports of 'folder': is one system better?

    \b
    Examples:
      prismaudio evaluate stage --count 200 --out report.json
      prismaudio evaluate folder --pred sounds/ --gt truth/ --video films/ --out run.json
      prismaudio evaluate compare a.json b.json
    """


def folder(
    pred: Annotated[Path, typer.Option(help="Sounds to be judged: .wav, .flac, .mp4, ...", metavar="DIR")],
    gt: Annotated[
        Path | None, typer.Option(help="True sounds (or films) of the same names.", metavar="DIR")
    ] = None,
    video: Annotated[Path | None, typer.Option(help="Films of the same names.", metavar="DIR")] = None,
    text: Annotated[
        Path | None, typer.Option(help="A .csv with columns 'name' and 'text'.", metavar="CSV")
    ] = None,
    metrics: Annotated[str, typer.Option(help="Names between commas, or 'all'.", metavar="NAMES")] = "all",
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="File or folder of a published network, as PANNs=FILE, or MS-CLAP=hub to fetch it; repeat it.",
            metavar="NAME=FILE",
        ),
    ] = None,
    device: Device = "cpu",
    seconds: Annotated[
        float | None, typer.Option(help="Judge only the first so many seconds.", min=0.1)
    ] = None,
    loudness: Annotated[
        float | None, typer.Option(help="Bring all sounds to so many LUFS first.", min=-70, max=0)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="All figures as .json, and the clips' as a table.", metavar="FILE"),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="A report to look at and listen to, in this folder.", metavar="DIR")
    ] = None,
    html_clips: Annotated[int, typer.Option(help="Clips in it, best and worst first.", min=0)] = 24,
    min_coverage: Annotated[
        float, typer.Option(help="Fail if a smaller share of the clips could be measured.", min=0, max=1)
    ] = 0.99,
    allow_small: Annotated[
        bool, typer.Option("--allow-small", help="FD of fewer sounds than features, and FDinf.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    set_rounds: Annotated[int, typer.Option(help="Of the bootstrap of FD, KID and IS.", min=0)] = 100,
    cache: Cache = None,
    force: Force = False,
) -> None:
    """Measure a folder of sounds, whoever made them; files belong together by their exact names.

    Features are kept by the content of the files: an interrupted run goes on where it was. Clips that are missing or
    cannot be read are counted by reason, and never replaced. Where weights are not given, a figure is n/a.

    \b
    Examples:
      prismaudio evaluate folder --pred sounds/
      prismaudio evaluate folder --pred sounds/ --gt truth/ --video films/ --seconds 8 --out run.json --html report/
      prismaudio evaluate folder --pred sounds/ --gt truth/ --metrics FD_PANNs,KL_PANNs --weights PANNs=Cnn14_16k.pth
      prismaudio evaluate folder --pred sounds/ --text texts.csv --metrics CLAP_MS,PQ --weights MS-CLAP=hub \\
          --weights Audiobox=audiobox/
    """
    from prismaudio.cli.outputs import check_output
    from prismaudio.evaluation.suite.cache import FeatureCache, default_folder
    from prismaudio.evaluation.suite.clips import Folders
    from prismaudio.evaluation.suite.gather import Reading
    from prismaudio.evaluation.suite.html import check_folder, write_html
    from prismaudio.evaluation.suite.judges import parse_weights
    from prismaudio.evaluation.suite.report import clips_path
    from prismaudio.evaluation.suite.run import SuiteConfig, check_coverage, evaluate_folder

    check_output(out, (".json",), force=force, source=pred)
    check_folder(html, force=force)
    folders = Folders(pred, gt, video, text)
    config = SuiteConfig(
        metrics=tuple(name.strip() for name in metrics.split(",") if name.strip()),
        reading=Reading(seconds=seconds, loudness=loudness),
        seed=seed,
        set_rounds=set_rounds,
        min_coverage=min_coverage,
        allow_small=allow_small,
        device=device,
    )
    kept = FeatureCache(cache or default_folder())
    report = evaluate_folder(folders, config, kept, parse_weights(weights or []))
    if out is not None:
        report.save(out)
        report.save_clips(clips_path(out))
    if html is not None:
        write_html(report, folders, html, clips=html_clips)
    typer.echo(report.table())
    check_coverage(report, min_coverage)


def compare(
    first: Annotated[Path, typer.Argument(help="A report of 'evaluate folder'.", metavar="A.json")],
    second: Annotated[Path, typer.Argument(help="Another, of the same clips.", metavar="B.json")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also as .json.", metavar="FILE")] = None,
    rounds: Annotated[int, typer.Option(help="Of the paired bootstrap.", min=100)] = 10_000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    cache: Cache = None,
    force: Force = False,
) -> None:
    """Is system B better than system A? Both on the same clips, judged in the same way, or refused.

    p is two-sided and counts clips as independent; p (Holm) also pays for testing many figures at once.

    \b
    Examples:
      prismaudio evaluate compare a.json b.json
      prismaudio evaluate compare a.json b.json --out comparison.json
    """
    from prismaudio.cli.outputs import check_output
    from prismaudio.evaluation.suite.cache import FeatureCache, default_folder
    from prismaudio.evaluation.suite.compare import compare as compare_reports
    from prismaudio.evaluation.suite.report import FolderReport

    check_output(out, (".json",), force=force, source=first)
    found = compare_reports(
        FolderReport.load(first),
        FolderReport.load(second),
        FeatureCache(cache or default_folder()),
        rounds=rounds,
        seed=seed,
    )
    if out is not None:
        found.save(out)
    typer.echo(found.table())
