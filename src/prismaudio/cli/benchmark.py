"""`prismaudio benchmark`: benchmarks of clips as manifests, built with filters, run on the sounds of any system."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from prismaudio.cli.evaluate_folder import Cache
from prismaudio.cli.options import CorpusFolder, Device, DType, Force, PlannerName


class Kind(StrEnum):
    """Whose table it is."""

    CSV = "csv"
    VGGSOUND = "vggsound"
    AUDIOCOT = "audiocot"
    HUB = "hub"


class Size(StrEnum):
    """How many scenes."""

    SMALL = "small"
    FULL = "full"


class Text(StrEnum):
    """What judges of words are asked with."""

    CAPTION = "caption"
    SEMANTIC = "semantic"
    THOUGHTS = "thoughts"
    CLASSES = "classes"


class Thoughts(StrEnum):
    """Whose thoughts the model is told."""

    OWN = "own"
    ANNOTATED = "annotated"


ManifestFile = Annotated[Path, typer.Argument(help="A manifest.", metavar="MANIFEST")]
Weights = Annotated[
    list[str] | None,
    typer.Option(help="File of a published network, as PANNs=FILE; repeat it.", metavar="NAME=FILE"),
]


def benchmark() -> None:
    """Benchmarks in the manner of AudioCanvas: single and multiple events, classes, thoughts, known references.

    \b
      stage-canvas  the benchmark of this project: made anew from a seed, its truth is known
      import        other people's tables -> a manifest
      build         a manifest -> a better one: no duplicates, silence, speech or music; classes balanced
      check         is a manifest whole, and are its files those it was made of?
      run           figures in the paper's columns, for the sounds of any systems

    \b
    Examples:
      prismaudio benchmark stage-canvas canvas/ --size small
      prismaudio benchmark run canvas/manifest.jsonl --model embedded --reference --out run/
    """


def stage_canvas(
    out: Annotated[Path, typer.Argument(help="Folder for films, sounds, plans, manifest.", metavar="OUT")],
    size: Annotated[Size, typer.Option(help="small: 16 + 8 scenes; full: 200 + 100.")] = Size.SMALL,
    seed: Annotated[int, typer.Option(help="Another seed is another benchmark.", min=0)] = 2026,
    corpus: CorpusFolder = None,
    force: Force = False,
) -> None:
    """Make stage-canvas: silent films, true sounds and true plans of held-out scenes, with one or several events.

    The same size, seed and corpus give the same bytes; an interrupted call goes on where it was.

    \b
    Examples:
      prismaudio benchmark stage-canvas canvas/
      prismaudio benchmark stage-canvas canvas-full/ --size full
    """
    from prismaudio.cli.outputs import check_output, make_folder
    from prismaudio.evaluation.canvas.stage_canvas import SIZES, write_stage_canvas
    from prismaudio.stage.corpus import Corpus, default_folder

    make_folder(out)
    check_output(out / "manifest.jsonl", (".jsonl",), force=force, source=Path(__file__))
    config = SIZES[size.value].model_copy(update={"seed": seed})
    loaded = Corpus.load(corpus)
    manifest = write_stage_canvas(out, config, loaded, corpus or default_folder())
    typer.echo(f"wrote {len(manifest.entries)} clips to {manifest.path} (SHA-256 {manifest.sha256})")


def import_(
    kind: Annotated[Kind, typer.Argument(help="Whose table: csv, vggsound, audiocot or hub.")],
    table: Annotated[
        str, typer.Argument(help="The .csv, or the hub data set or its folder.", metavar="TABLE")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The manifest, .jsonl.", metavar="FILE")],
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the videos; hub: where films are put.", metavar="DIR")
    ] = None,
    references: Annotated[
        Path | None, typer.Option(help="Folder of true sounds; default: the videos' own.", metavar="DIR")
    ] = None,
    silent: Annotated[bool, typer.Option("--silent", help="The videos' own sound is no reference.")] = False,
    columns: Annotated[
        str, typer.Option(help="Which column is what: id=COLUMN,classes=COLUMN,...", metavar="MAP")
    ] = "",
    vggsound: Annotated[
        Path | None, typer.Option(help="audiocot: vggsound.csv, which tells the classes.", metavar="CSV")
    ] = None,
    split: Annotated[str, typer.Option(help="Only these rows; hub: the split, default test.")] = "",
    revision: Annotated[str | None, typer.Option(help="hub: of the data set.", metavar="NAME")] = None,
    force: Force = False,
) -> None:
    """Make a manifest of a table and the videos that are there; those that are not are counted.

    Fields: id, video, start, end, event, classes, caption, cot, plan, audio, source, split; a column of that name is
    found without --columns. A video belongs to a row by its stem; VGGSound's are ID_000030.mp4, or cut out of ID.mp4.

    \b
    Examples:
      prismaudio benchmark import csv clips.csv --videos clips/ --columns id=name,classes=label -o all.jsonl
      prismaudio benchmark import vggsound vggsound.csv --videos clips/ --split test -o all.jsonl
      prismaudio benchmark import audiocot cot_vggsound_test.csv --vggsound vggsound.csv --videos clips/ -o all.jsonl
      prismaudio benchmark import hub someone/clips --videos films/ --columns video=clip,classes=labels -o all.jsonl
    """
    from prismaudio.cli.outputs import check_output
    from prismaudio.evaluation.canvas.adapters import Request, read_rows
    from prismaudio.evaluation.canvas.collecting import Places, collect

    check_output(out, (".jsonl",), force=force, source=Path(table))
    places = Places(videos or out.parent / "videos", references, silent)
    rows = read_rows(Request(kind.value, table, columns, split, places.videos, vggsound, revision))
    found = collect(rows, places, out, {"import": kind.value, "table": Path(table).name, "split": split})
    found.manifest.save()
    typer.echo(f"wrote {out}: {found.summary()}")


def build(
    manifest: ManifestFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="The manifest of what stays.", metavar="FILE")],
    report: Annotated[
        Path | None, typer.Option(help="What went and why; default: FILE with .report.json.", metavar="FILE")
    ] = None,
    filters: Annotated[
        str, typer.Option(help="Names between commas, or 'all'; see docs/benchmark.md.", metavar="NAMES")
    ] = "all",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A threshold, as shortest=2 or silence=-60; repeat it.", metavar="A=B"),
    ] = None,
    per_class: Annotated[
        int | None, typer.Option(help="At most so many single, and so many multi clips of a class.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the choice among the clips of a class.", min=0)] = 0,
    weights: Weights = None,
    cache: Cache = None,
    force: Force = False,
) -> None:
    """Leave out what a careful benchmark must not hold; every clip that goes is named with what was measured.

    undecodable, short, silence, duplicates, near-duplicates (picture or sound), speech, music; by name only: off-screen,
    unseen-onsets, voice. What each can and cannot see stands in the report. Interrupted work goes on where it was.

    \b
    Examples:
      prismaudio benchmark build all.jsonl -o canvas.jsonl --per-class 10
      prismaudio benchmark build all.jsonl -o canvas.jsonl --filters short,silence,duplicates --set shortest=3
      prismaudio benchmark build all.jsonl -o canvas.jsonl --weights PANNs=Cnn14_16k_mAP=0.438.pth
    """
    from prismaudio.cli.outputs import check_output
    from prismaudio.evaluation.canvas.builder import BuildConfig, build_benchmark
    from prismaudio.evaluation.canvas.manifest import Manifest
    from prismaudio.evaluation.suite.cache import FeatureCache, default_folder
    from prismaudio.evaluation.suite.judges import parse_weights

    told = report or out.with_suffix(".report.json")
    check_output(out, (".jsonl",), force=force, source=manifest)
    check_output(told, (".json",), force=force, source=manifest)
    config = BuildConfig.resolve(None, settings or [])
    config = config.asked(filters, per_class, seed)
    built = build_benchmark(
        Manifest.load(manifest),
        out,
        config,
        FeatureCache(cache or default_folder()),
        parse_weights(weights or []),
    )
    built.manifest.save()
    built.report.save(told)
    typer.echo(built.report.table())


def check(
    manifest: ManifestFile,
) -> None:
    """Read every line, hash every file, and say what is not as it was.

    \b
    Examples:
      prismaudio benchmark check canvas/manifest.jsonl
    """
    from prismaudio.evaluation.canvas.manifest import Manifest
    from prismaudio.evaluation.canvas.running import describe_check

    typer.echo(describe_check(Manifest.load(manifest)))


def run(
    manifest: ManifestFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.", metavar="DIR")],
    sounds: Annotated[
        list[str] | None,
        typer.Option(help="A system's sounds, named by the clips' ids; repeat it.", metavar="[NAME=]DIR"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Let this model make sounds first, as 'embedded'.", metavar="NAME")
    ] = None,
    reference: Annotated[bool, typer.Option("--reference", help="The true sounds as a row too.")] = False,
    thoughts: Annotated[
        Thoughts, typer.Option(help="The planner's own of the picture, or those of the manifest.")
    ] = Thoughts.OWN,
    planner: PlannerName = "embedded",
    steps: Annotated[int, typer.Option(help="Sampler steps of the model.", min=1)] = 24,
    seed: Annotated[int, typer.Option(help="Of sounds and bootstrap.", min=0)] = 0,
    ratings: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of 'listen make' with the raters' .csv in it; repeat it.", metavar="DIR"),
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="More of the suite's metrics, between commas.", metavar="NAMES")
    ] = "",
    text: Annotated[Text, typer.Option(help="What judges of words are asked with.")] = Text.CAPTION,
    weights: Weights = None,
    seconds: Annotated[
        float | None, typer.Option(help="Judge only the first so many seconds.", min=0.1)
    ] = None,
    loudness: Annotated[
        float | None, typer.Option(help="Bring all sounds to so many LUFS first.", min=-70, max=0)
    ] = None,
    allow_small: Annotated[
        bool, typer.Option("--allow-small", help="FD of fewer clips than features.")
    ] = False,
    set_rounds: Annotated[int, typer.Option(help="Of the bootstrap of FD.", min=0)] = 100,
    min_coverage: Annotated[
        float, typer.Option(help="Fail if a smaller share of the clips could be measured.", min=0, max=1)
    ] = 0.99,
    device: Device = "auto",
    dtype: DType = "auto",
    judges_device: Annotated[
        str, typer.Option(help="Where the published judges compute: cpu, cuda, ...", metavar="DEVICE")
    ] = "cpu",
    cache: Cache = None,
    force: Force = False,
) -> None:
    """Judge sounds on a benchmark: all, single and multiple events, every class, in the paper's columns.

    Every column names the judge that gave it; where none can be had it is n/a. An interrupted run goes on where it was:
    sounds and features are kept. DIR holds report.json, report.md and report.tex.

    \b
    Examples:
      prismaudio benchmark run canvas/manifest.jsonl --model embedded --reference --out run/
      prismaudio benchmark run canvas.jsonl --sounds ours=a/ --sounds theirs=b/ --out run/
      prismaudio benchmark run canvas.jsonl --sounds a/ --ratings mos-q/ --weights PANNs=Cnn14.pth --out run/
    """
    from prismaudio.evaluation.canvas import running
    from prismaudio.evaluation.canvas.generating import Making
    from prismaudio.evaluation.canvas.judging import RunConfig, check_coverage, run_benchmark
    from prismaudio.evaluation.canvas.layout import lay_out
    from prismaudio.evaluation.canvas.manifest import Manifest
    from prismaudio.evaluation.canvas.opinions import read_opinions
    from prismaudio.evaluation.canvas.tables import text as in_words
    from prismaudio.evaluation.suite.cache import FeatureCache, default_folder
    from prismaudio.evaluation.suite.gather import Reading
    from prismaudio.evaluation.suite.judges import Judges, parse_weights
    from prismaudio.evaluation.suite.run import FILMS
    from prismaudio.generation.options import Options
    from prismaudio.generation.pipeline import VideoToAudio

    loaded, systems = Manifest.load(manifest), running.parse_systems(sounds or [])
    running.check_asked(systems, model, reference=reference)
    opinions, files = read_opinions(ratings or []), parse_weights(weights or [])
    config = RunConfig(
        metrics=tuple(name.strip() for name in metrics.split(",") if name.strip()),
        text=text.value,
        reading=Reading(seconds=seconds, loudness=loudness),
        seed=seed,
        set_rounds=set_rounds,
        min_coverage=min_coverage,
        allow_small=allow_small,
    )
    places = running.open_run(out, force=force)
    running.check_files(loaded)
    laid = lay_out(loaded, places.clips, config.text)
    if model is not None:
        pipeline = VideoToAudio.from_pretrained(model, planner=planner, device=device, dtype=dtype)
        options = Options.parse({"steps": steps}, source="options")
        making = Making(model=model, planner=planner, thoughts=thoughts.value, seed=seed, options=options)
        systems.append(running.sound_by_model(pipeline, loaded, laid, places, making))
    systems += [running.true_system(laid)] if reference else []
    kept = FeatureCache(cache or default_folder())
    judges = Judges(files, judges_device, kept.folder / FILMS)
    report = run_benchmark(loaded, laid, systems, config, kept, judges=judges, opinions=opinions)
    written = running.write_report(report, places)
    typer.echo(in_words(report))
    typer.echo(f"wrote {', '.join(map(str, written))}")
    check_coverage(report, min_coverage)
