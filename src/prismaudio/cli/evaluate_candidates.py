"""`prismaudio evaluate candidates`: is the best of several takes better, and in what?"""

from pathlib import Path
from typing import Annotated

import typer

from prismaudio.cli.options import (
    CorpusFolder,
    Device,
    DType,
    Force,
    JudgeChanges,
    JudgesName,
    Model,
    WeightsText,
)


def candidates(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also all figures as .json.", metavar="FILE")
    ] = None,
    count: Annotated[int, typer.Option(help="Scenes; fewer give wider intervals.", min=2)] = 24,
    takes: Annotated[
        int, typer.Option("--candidates", help="Takes of every scene, of which one is chosen.", min=2)
    ] = 8,
    from_picture: Annotated[
        bool, typer.Option("--from-picture", help="Let the planner think, instead of telling the true plan.")
    ] = False,
    judges: JudgesName = "embedded",
    judge: JudgeChanges = None,
    weights: WeightsText = "",
    seed: Annotated[int, typer.Option(help="Of the scenes.", min=0)] = 2025,
    steps: Annotated[int, typer.Option(help="Sampler steps.", min=1)] = 24,
    guidance: Annotated[
        float | None, typer.Option(help="How closely to follow the plan; default: the model's own.")
    ] = None,
    model: Model = "embedded",
    device: Device = "auto",
    dtype: DType = "auto",
    corpus: CorpusFolder = None,
    force: Force = False,
) -> None:
    """Is the best of several takes better? On held-out stage scenes, by the judges that chose and by others.

    The chosen take of a scene stands beside the mean of all its takes: what one is worth that nobody chose.

    \b
    Examples:
      prismaudio evaluate candidates --count 24 --candidates 8
      prismaudio evaluate candidates --from-picture --weights semantic=1,temporal=1,aesthetic=1,spatial=1
      prismaudio evaluate candidates --judge temporal=off --out candidates.json
    """
    from prismaudio.cli.judges import panel_of
    from prismaudio.cli.outputs import check_output
    from prismaudio.evaluation.benchmark import BenchmarkConfig
    from prismaudio.evaluation.candidates import CandidatesConfig, run_candidates
    from prismaudio.generation.judging import weights_of
    from prismaudio.generation.options import Options
    from prismaudio.generation.pipeline import VideoToAudio
    from prismaudio.stage.corpus import Corpus

    check_output(out, (".json",), force=force, source=Path(__file__))
    config = CandidatesConfig(
        scenes=BenchmarkConfig(count=count, seed=seed),
        candidates=takes,
        from_picture=from_picture,
        weights=weights_of(weights),
    )
    options = Options.parse({"steps": steps, "guidance": guidance}, source="options")
    panel = panel_of(judges, judge, "unit", device)
    pipeline = VideoToAudio.from_pretrained(model, device=device, dtype=dtype)
    report = run_candidates(pipeline, Corpus.load(corpus), panel, config, options)
    if out is not None:
        report.save(out)
    typer.echo(report.table())
