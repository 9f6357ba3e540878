"""`prismaudio posttrain`: a finished generator learns from rewards, and is watched by a judge that nothing optimises."""

import json
from pathlib import Path
from typing import Annotated

import typer

from prismaudio.cli.options import CorpusFolder, Device
from prismaudio.errors import PrismAudioError


def posttrain(  # noqa: PLR0913  # a command's options
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.", metavar="RUN")],
    preset: Annotated[
        str | None,
        typer.Option(
            help="embedded, published, or a .toml file; default: that of the run in --out, else embedded.",
            metavar="NAME",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="One setting, as in training.group=8.", metavar="A.B=C"),
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option(
            help="fast-grpo, guarded-grpo, flow-grpo, dance-grpo, mix-grpo, nft, awm.", metavar="NAME"
        ),
    ] = None,
    rewards: Annotated[
        str | None,
        typer.Option(
            help="Weights, as in semantic=1,temporal=0.6; a dimension left out is watched, not optimised.",
            metavar="WEIGHTS",
        ),
    ] = None,
    judges: Annotated[
        str | None,
        typer.Option(
            help="embedded, published, or one per dimension, as in semantic=ms-clap,spatial=gcc.",
            metavar="NAMES",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Where to start: as of `prismaudio generate --model`.", metavar="NAME"),
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="Of sampling, judging, learning.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Equal seeds are equal runs.", min=0)] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Only go on; without it a run that is there is gone on with as well."),
    ] = False,
    videos: Annotated[
        Path | None,
        typer.Option(
            help="Learn from these instead of stage scenes: a folder of videos, or a .jsonl of `prismaudio annotate`.",
            metavar="PATH",
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option("--prompts", help="Prompts another run prepared, its RUN/prompts.", metavar="DIR"),
    ] = None,
    device: Device = "auto",
    corpus: CorpusFolder = None,
) -> None:
    """Improve a generator by reinforcement learning on stage scenes or your videos, in the folder given with --out.

    Four judges reward every sound: does it fit the words, the moments, is it clean, does it come from the right place.
    Every few iterations held-out scenes are sounded and measured against the truth of the stage, which nothing
    optimises: RUN/best keeps the weights that were best by it, and an alarm tells when rewards rise while the truth
    falls. The last weights are in RUN/weights; both are for `prismaudio generate --model`. Sounds of held-out scenes
    are in RUN/eval. The same command goes on with a run that was interrupted.

    Of every video in --videos the first prompts.seconds are a prompt, with the plan beside it (clip.plan.yaml) or the
    planner's own; its sound, if it has one, is the true one for judges that compare. Videos that are too short or
    cannot be read are left out, and told. Held-out scenes are the stage's all the same: there the truth is known.

    \b
    Examples:
      prismaudio posttrain --out runs/rl
      prismaudio posttrain --out runs/rl --iterations 200                  # goes on with it
      prismaudio posttrain --out runs/clean --rewards aesthetic=1 --prompts runs/rl/prompts --set alarm.stop=true
      prismaudio posttrain --out runs/flow --algorithm flow-grpo --seed 1
      prismaudio posttrain --out runs/lora --set training.adapters.rank=16 --set training.learning_rate=1e-4
      prismaudio posttrain --out runs/own --videos clips/ --set training.prompts=2
      prismaudio posttrain --out runs/own --videos plans.jsonl --preset published --model FunAudioLLM/PrismAudio
      prismaudio posttrain --out runs/published --preset published --model FunAudioLLM/PrismAudio
      accelerate launch $(which prismaudio) posttrain --out runs/published --preset published --model FOLDER
    """
    try:
        from prismaudio.posttraining.run import post_train
    except ModuleNotFoundError as error:
        raise PrismAudioError(
            f"post-training needs {error.name}; run: pip install 'prismaudio[train]' (or make train)"
        ) from error
    from prismaudio.posttraining.settings import read_settings
    from prismaudio.posttraining.team import this_team
    from prismaudio.stage.corpus import Corpus

    chosen = {
        "training.algorithm": algorithm,
        "training.iterations": iterations,
        "training.seed": seed,
        "model": model,
        "videos.path": None if videos is None else json.dumps(str(videos), ensure_ascii=False),
    }
    given = [f"{name}={value}" for name, value in chosen.items() if value is not None]
    config = read_settings(out, preset, [*(overrides or []), *given], rewards, judges)
    outcome = post_train(
        config,
        out,
        Corpus.load(corpus),
        device=device,
        pool=prompts,
        resume=resume,
        team=this_team(),
        say=lambda text: typer.echo(f"prismaudio: {text}", err=True),
    )
    typer.echo(f"{outcome.iterations} iterations: weights in {outcome.weights}")
    typer.echo(f"best by gold: iteration {outcome.best_iteration}, weights in {outcome.best}")
