"""`prismaudio train`: the embedded model from the corpus, whole or in parts; every part resumes where it stopped."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from prismaudio.cli.options import CorpusFolder
from prismaudio.errors import PrismAudioError

if TYPE_CHECKING:
    from prismaudio.config import Config
    from prismaudio.stage.corpus import Corpus

C = TypeVar("C", bound="Config")


class Job(StrEnum):
    """What can be trained."""

    ALL = "all"
    CODEC = "codec"
    PLANNER = "planner"
    RECOGNISER = "recogniser"
    DIT = "dit"
    CLASSIFIER = "classifier"
    OOBLECK = "oobleck"


def train(
    job: Annotated[Job, typer.Argument(help="What to train.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.", metavar="DIR")],
    preset: Annotated[
        Path | None,
        typer.Option(
            help="Settings that differ from the defaults: a file, or oobleck-published.", metavar="TOML"
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, as in loop.batch_size=8.", metavar="A.B=C")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Optimiser steps; for 'all' those of every part.", min=1)
    ] = None,
    pool: Annotated[
        Path | None, typer.Option(help="Prepared scenes of another run, its DIR/scenes.", metavar="DIR")
    ] = None,
    corpus: CorpusFolder = None,
) -> None:
    """Train a part of the embedded model, or all of it, in the folder given with --out.

    Weights appear in DIR/weights, for `prismaudio generate --model DIR/weights`; checkpoints, TensorBoard
    logs and the settings of a job in DIR/<job>. The same command continues a run that was interrupted.

    \b
    Examples:
      prismaudio train all --out runs/embedded
      prismaudio train dit --out runs/embedded --steps 20000 --set loop.learning_rate=3e-4
      prismaudio train codec --out runs/small --preset small.toml
      prismaudio train oobleck --out runs/vae --preset oobleck-published    # the published codec, at its size
      accelerate launch $(which prismaudio) train dit --out runs/embedded    # on several GPUs
    """
    try:
        from prismaudio.training import train_classifier  # noqa: F401  # whether training can run at all
    except ModuleNotFoundError as error:
        raise PrismAudioError(
            f"training needs {error.name}; run: pip install 'prismaudio[train]' (or make train)"
        ) from error
    from prismaudio.cli.outputs import make_folder
    from prismaudio.stage.corpus import Corpus

    loaded = Corpus.load(corpus)
    make_folder(out / "weights")
    if pool is not None and not (out / "scenes").exists():
        (out / "scenes").symlink_to(pool.resolve(), target_is_directory=True)
    run = {
        Job.ALL: train_all,
        Job.CODEC: train_codec,
        Job.PLANNER: train_planner,
        Job.RECOGNISER: train_recogniser,
        Job.DIT: train_dit,
        Job.CLASSIFIER: train_classifier_job,
        Job.OOBLECK: train_oobleck_job,
    }[job]
    run(loaded, out, Settings(out / job.value, preset, overrides or [], steps))
    typer.echo(f"weights in {out / 'weights'}")


class Settings:
    """What the user asked for, to be read as the configuration of one job."""

    def __init__(self, folder: Path, preset: Path | None, overrides: list[str], steps: int | None) -> None:
        self.folder, self.preset, self.overrides, self.steps = folder, preset, overrides, steps

    def read(self, defaults: C, *loops: str) -> C:
        """`defaults`, changed by the preset and the overrides; `loops`: where --steps goes. Kept as config.toml."""
        from prismaudio.cli.outputs import make_folder

        steps = [] if self.steps is None else [f"{loop}.steps={self.steps}" for loop in loops]
        config = onto_defaults(
            defaults, type(defaults).resolve(shipped(self.preset), [*self.overrides, *steps])
        )
        make_folder(self.folder)
        (self.folder / "config.toml").write_text(config.to_toml(), encoding="utf-8")
        return config


def shipped(preset: Path | None) -> Path | None:
    """A preset that comes with prismaudio, if `preset` is the name of one and not a file."""
    if preset is None or preset.exists():
        return preset
    own = Path(__file__).parents[1] / "training" / "presets" / f"{preset.name}.toml"
    return own if own.exists() else preset


def onto_defaults(defaults: C, given: C) -> C:
    """`defaults` with what was set in `given`, however deep: a job's defaults differ from those of its parts."""
    from prismaudio.config import Config

    changes = {}
    for name in given.model_fields_set:
        value, default = getattr(given, name), getattr(defaults, name)
        nested = isinstance(value, Config) and isinstance(default, Config)
        changes[name] = onto_defaults(default, value) if nested else value
    return defaults.model_copy(update=changes)


def train_all(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.training.recipe import RecipeConfig, train_embedded

    train_embedded(
        settings.read(
            RecipeConfig(), "codec.loop", "planner.loop", "recogniser.loop", "dit.loop", "classifier.loop"
        ),
        corpus,
        out,
    )


def train_codec(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.training import recipe

    config = recipe.RecipeConfig()
    config = config.model_copy(update={"codec": settings.read(config.codec, "loop")})
    recipe.make_pools(config, corpus, out)  # its latents are normalised on scenes
    recipe.make_codec(config, corpus, out, out / "weights")


def train_planner(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.training import recipe

    config = recipe.RecipeConfig()
    config = config.model_copy(update={"planner": settings.read(config.planner, "loop")})
    recipe.make_pools(config, corpus, out)
    recipe.make_planner(config, out, out / "weights")


def train_recogniser(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.training import recipe

    config = recipe.RecipeConfig()
    config = config.model_copy(update={"recogniser": settings.read(config.recogniser, "loop")})
    recipe.make_recogniser(config, corpus, out, out / "weights")


def train_dit(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.training import recipe

    config = recipe.RecipeConfig()
    config = config.model_copy(update={"dit": settings.read(config.dit, "loop")})
    recipe.make_pools(config, corpus, out)
    codec = recipe.make_codec(config, corpus, out, out / "weights")
    projection = recipe.make_projection(out, out / "weights")
    recipe.make_dit(config, corpus, out, out / "weights", codec, projection)


def train_classifier_job(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.training import recipe

    config = recipe.RecipeConfig()
    config = config.model_copy(update={"classifier": settings.read(config.classifier, "loop")})
    recipe.make_classifier(config, corpus, out, out / "weights")


def train_oobleck_job(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.models.checkpoints import save_weights
    from prismaudio.training.train_oobleck import OobleckTrainingConfig, train_oobleck

    config = settings.read(OobleckTrainingConfig(), "loop")
    vae = train_oobleck(config, corpus, out / "oobleck")
    save_weights(out / "weights" / "oobleck.safetensors", vae, config.model.model_dump())
