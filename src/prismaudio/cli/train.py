"""`prismaudio train`: the embedded model from the corpus, whole or in parts; every part resumes where it stopped."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from prismaudio.cli.options import CorpusFolder
from prismaudio.errors import PrismAudioError

if TYPE_CHECKING:
    from prismaudio.config import Config
    from prismaudio.planning.evidence import Evidence
    from prismaudio.stage.corpus import Corpus

C = TypeVar("C", bound="Config")

JUDGES = ("offset", "quality", "seen_place")  # loops of the judges of scenes

STUDENT = "video-llm"  # what a run that fine-tunes one calls it
Annotations = Annotated[
    Path | None,
    typer.Option(help="Plans to learn from, as `prismaudio annotate` writes them.", metavar="JSONL"),
]


class Job(StrEnum):
    """What can be trained."""

    ALL = "all"
    CODEC = "codec"
    MOTION_READER = "motion-reader"
    GLANCE = "glance"
    RECOGNISER = "recogniser"
    STUDENT = "student"
    PLANNER = "planner"
    DIT = "dit"
    CLASSIFIER = "classifier"
    JUDGES = "judges"
    OOBLECK = "oobleck"


def train(
    job: Annotated[Job, typer.Argument(help="What to train.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.", metavar="DIR")],
    preset: Annotated[
        Path | None,
        typer.Option(
            help="Settings that differ from the defaults: a file, or oobleck-published, planner-lora, planner-paper.",
            metavar="TOML",
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
    teacher: Annotations = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="With --teacher: the video language model that learns; default Qwen/Qwen3-VL-4B-Instruct.",
            metavar="NAME",
        ),
    ] = None,
    tune: Annotated[
        str | None,
        typer.Option(help="With --teacher: what of it learns: lora or projector+llm.", metavar="NAME"),
    ] = None,
    corpus: CorpusFolder = None,
) -> None:
    """Train a part of the embedded model, or all of it, in the folder given with --out.

    Weights appear in DIR/weights, for `prismaudio generate --model DIR/weights`; checkpoints, TensorBoard
    logs and the settings of a job in DIR/<job>. The same command continues a run that was interrupted.

    'planner' fine-tunes a video language model on the plans of a teacher, for
    `--planner local:DIR/weights/video-llm`; the parts of the embedded planner are motion-reader, glance,
    recogniser and student.

    \b
    Examples:
      prismaudio train all --out runs/embedded
      prismaudio train dit --out runs/embedded --steps 20000 --set loop.learning_rate=3e-4
      prismaudio train codec --out runs/small --preset small.toml
      prismaudio train judges --out runs/embedded    # one for each dimension, for score and posttrain
      prismaudio train oobleck --out runs/vae --preset oobleck-published    # the published codec, at its size
      prismaudio train planner --teacher plans.jsonl --out runs/student --preset planner-lora
      accelerate launch $(which prismaudio) train planner --teacher plans.jsonl --out runs/student --preset planner-paper
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

    if teacher is not None:
        if job is not Job.PLANNER:
            raise typer.BadParameter("--teacher is for the job 'planner'")
        chosen = {"base": base, "tune": tune}
        given = [f"tuning.{name}={value}" for name, value in chosen.items() if value is not None]
        train_planner(teacher, out, Settings(out / STUDENT, preset, [*(overrides or []), *given], steps))
        return
    if base is not None or tune is not None:
        raise typer.BadParameter("--base and --tune go with --teacher")
    if job is Job.PLANNER:
        raise typer.BadParameter(
            "'planner' needs --teacher PLANS; the embedded planner's parts are motion-reader, glance, recogniser, student"
        )
    loaded = Corpus.load(corpus)
    make_folder(out / "weights")
    if pool is not None and not (out / "scenes").exists():
        (out / "scenes").symlink_to(pool.resolve(), target_is_directory=True)
    run: Callable[[Corpus, Path, Settings], None] = {
        Job.ALL: train_all,
        Job.CODEC: train_codec,
        Job.MOTION_READER: train_motion_reader,
        Job.GLANCE: train_glance,
        Job.RECOGNISER: train_recogniser,
        Job.STUDENT: train_student,
        Job.DIT: train_dit,
        Job.CLASSIFIER: train_classifier_job,
        Job.JUDGES: train_judges,
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
            RecipeConfig(),
            *(
                f"{part}.loop"
                for part in ("codec", "motion_reader", "glance", "recogniser", "student", "dit", "classifier")
            ),
            "judges.words.loop",
            *(f"judges.{part}" for part in JUDGES),
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


def train_motion_reader(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.training import recipe

    config = recipe.RecipeConfig()
    config = config.model_copy(update={"motion_reader": settings.read(config.motion_reader, "loop")})
    recipe.make_motion_reader(config, corpus, out, out / "weights")


def train_recogniser(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.training import recipe

    config = recipe.RecipeConfig()
    config = config.model_copy(update={"recogniser": settings.read(config.recogniser, "loop")})
    recipe.make_recogniser(config, corpus, out, out / "weights")


def train_glance(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.training import recipe

    config = recipe.RecipeConfig()
    config = config.model_copy(update={"glance": settings.read(config.glance, "loop")})
    recipe.make_glance(config, corpus, out, out / "weights")


def train_student(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.training import recipe

    config = recipe.RecipeConfig()
    config = config.model_copy(update={"student": settings.read(config.student, "loop")})
    recipe.make_motion_reader(config, corpus, out, out / "weights")
    recipe.make_glance(config, corpus, out, out / "weights")
    recipe.make_student(config, corpus, out, out / "weights")


def train_planner(teacher: Path, out: Path, settings: Settings) -> None:
    """Fine-tune a video language model, and see what it says about clips it did not learn from."""
    from tqdm import tqdm

    from prismaudio.backends.pretrained.video_llm import VideoLLM
    from prismaudio.cli.outputs import make_folder
    from prismaudio.cli.progress import ProgressBar
    from prismaudio.evaluation.student import judge_student
    from prismaudio.generation.measuring import Measurer
    from prismaudio.training.train_video_llm import VideoLLMTrainingConfig, load_lessons, train_video_llm

    config = settings.read(VideoLLMTrainingConfig(), "tuning")
    make_folder(out / "weights")
    with tqdm(desc="measure", disable=None if config.evidence else True) as bar:
        measurer = Measurer()

        def measure(video: Path, seconds: float) -> "Evidence":
            bar.update()
            return measurer(video, seconds)

        lessons = load_lessons(teacher, config, measure)
    for why in lessons.left_out:
        typer.echo(f"prismaudio: left out {why}", err=True)
    weights = train_video_llm(lessons, config, settings.folder, out / "weights" / STUDENT)
    judges = lessons.held_out[: config.judged]
    if judges and is_first_process():
        with ProgressBar() as progress:
            student = VideoLLM.from_pretrained(weights, most_tokens=config.longest)
            report = judge_student(student, judges, lambda share: progress("judge", share))
        report.save(settings.folder / "report.json")
        typer.echo(report.table())
    if is_first_process():
        typer.echo(f"for --planner local:{weights}")


def is_first_process() -> bool:
    """Of those that `accelerate launch` started."""
    import os

    return os.environ.get("RANK", "0") == "0"


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


def train_judges(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.training import recipe

    config = recipe.RecipeConfig()
    loops = ("words.loop", *JUDGES)
    config = config.model_copy(update={"judges": settings.read(config.judges, *loops)})
    recipe.make_judges(config, corpus, out, out / "weights")


def train_oobleck_job(corpus: "Corpus", out: Path, settings: Settings) -> None:
    from prismaudio.models.checkpoints import save_weights
    from prismaudio.training.train_oobleck import OobleckTrainingConfig, train_oobleck

    config = settings.read(OobleckTrainingConfig(), "loop")
    vae = train_oobleck(config, corpus, out / "oobleck")
    save_weights(out / "weights" / "oobleck.safetensors", vae, config.model.model_dump())
