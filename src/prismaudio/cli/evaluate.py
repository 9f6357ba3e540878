"""`prismaudio evaluate`: figures for the embedded model on scenes whose truth is known."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prismaudio.cli.options import CorpusFolder, Device, DType, Force, Model

if TYPE_CHECKING:
    from prismaudio.evaluation.arms import ArmsReport
    from prismaudio.evaluation.edits import EditsReport
    from prismaudio.evaluation.judges import JudgesReport
    from prismaudio.evaluation.planner_report import PlannersReport
    from prismaudio.evaluation.report import Report


class Benchmark(StrEnum):
    """On what."""

    STAGE = "stage"
    EDITS = "edits"
    ARMS = "arms"
    PLANNERS = "planner"
    JUDGES = "judges"


def evaluate(
    benchmark: Annotated[
        Benchmark,
        typer.Argument(
            help="On what: held-out stage scenes, edits of their plans, or their plans in every arm of the ablation; "
            "or what planners write of the scenes' pictures, or what the embedded judges say."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also all figures as .json.", metavar="FILE")
    ] = None,
    count: Annotated[int, typer.Option(help="Scenes; fewer give wider intervals.", min=2)] = 200,
    seed: Annotated[int, typer.Option(help="Of the scenes.", min=0)] = 2025,
    steps: Annotated[int, typer.Option(help="Sampler steps.", min=1)] = 24,
    guidance: Annotated[
        float | None, typer.Option(help="How closely to follow the plan; default: the model's own.")
    ] = None,
    planner: Annotated[
        list[str] | None,
        typer.Option(help="Of 'planner': whom to measure; may be given again.", metavar="NAME"),
    ] = None,
    model: Model = "embedded",
    device: Device = "auto",
    dtype: DType = "auto",
    corpus: CorpusFolder = None,
    force: Force = False,
) -> None:
    """Measure synchrony, direction and recognisability of generated sound, beside the truth and chance.

    'from picture' is the whole system, which sees only the picture; 'from true plan' is its generator alone.

    \b
    Examples:
      prismaudio evaluate stage --count 20
      prismaudio evaluate stage --count 200 --out report.json
      prismaudio evaluate edits --count 50      # is a moved hit heard where it went, and left as right?
      prismaudio evaluate arms --count 100      # are the thoughts used: none, random, monolithic, decomposed ...
      prismaudio evaluate judges --count 150    # are the embedded judges right?
      prismaudio evaluate planner --count 300 --planner embedded:perception --planner embedded:student
    """
    from prismaudio.cli.outputs import check_output
    from prismaudio.evaluation import systems
    from prismaudio.evaluation.benchmark import BenchmarkConfig, run_stage_benchmark
    from prismaudio.generation.options import Options
    from prismaudio.generation.pipeline import VideoToAudio
    from prismaudio.stage.corpus import Corpus

    check_output(out, (".json",), force=force, source=Path(__file__))
    if benchmark is Benchmark.PLANNERS:
        from prismaudio.evaluation.planners import PlannersConfig, compare_planners
        from prismaudio.generation.loading import assets, load_eyes, load_perception
        from prismaudio.planning.choose import choose_planner

        return show(
            compare_planners(
                [choose_planner(name) for name in planner or ["embedded"]],
                Corpus.load(corpus),
                load_eyes(assets()),
                load_perception(assets()),
                PlannersConfig(count=count, seed=seed),
            ),
            out,
        )
    if benchmark is Benchmark.JUDGES:
        from prismaudio.evaluation.judges import Judges, JudgesConfig, measure_judges

        config = JudgesConfig(count=count, seed=seed)
        return show(measure_judges(Judges.shipped(), Corpus.load(corpus), config), out)
    pipeline = VideoToAudio.from_pretrained(model, device=device, dtype=dtype)
    options = Options.parse({"steps": steps, "guidance": guidance}, source="options")
    if benchmark is Benchmark.EDITS:
        from prismaudio.evaluation.edits import EditsConfig, run_edits

        return show(
            run_edits(pipeline, Corpus.load(corpus), EditsConfig(count=count, seed=seed), options), out
        )
    if benchmark is Benchmark.ARMS:
        from prismaudio.evaluation.arms import ArmsConfig, run_arms

        scenes = BenchmarkConfig(count=count, seed=seed)
        return show(run_arms(pipeline, Corpus.load(corpus), ArmsConfig(scenes=scenes), options), out)
    made_by = pipeline.backends()
    report = run_stage_benchmark(
        {
            "from picture": systems.from_picture(pipeline, options),
            "from true plan": systems.from_true_plan(pipeline, options),
        },
        Corpus.load(corpus),
        BenchmarkConfig(count=count, seed=seed),
        codec=pipeline.codec,
        made_by={"from picture": made_by, "from true plan": made_by | {"planner": "the truth"}},
    )
    return show(report, out)


def show(
    report: "Report | EditsReport | ArmsReport | PlannersReport | JudgesReport", out: Path | None
) -> None:
    """Keep the figures, and print them."""
    if out is not None:
        report.save(out)
    typer.echo(report.table())
