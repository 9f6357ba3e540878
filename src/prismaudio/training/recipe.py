"""The whole embedded model from the corpus, as one job: scenes, codec, planner, transformer, judge, files to ship.

Every stage resumes where it stopped; a finished stage is skipped. `prismaudio train all --out runs/embedded` runs it.
"""

from pathlib import Path

import torch
from pydantic import PositiveInt
from torch import nn

from prismaudio.backends.embedded.judges import FILES
from prismaudio.backends.embedded.vision import Projection
from prismaudio.config import Config
from prismaudio.generation.loading import (
    GLANCE,
    MOTION_READER,
    RECOGNISER,
    assets,
    load_codec,
    load_glance,
    load_motion_reader,
)
from prismaudio.models.checkpoints import load_weights, save_weights
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.planning.student_planner import STUDENT
from prismaudio.stage.corpus import Corpus
from prismaudio.training.closeups import Closeups, CloseupsConfig, prepare_closeups
from prismaudio.training.glances import Glances, GlancesConfig, prepare_glances
from prismaudio.training.judged import JudgedScene, load_judged, prepare_judged
from prismaudio.training.scenes import PoolConfig, load_scene, prepare_pool, scene_files
from prismaudio.training.stills import Stills, StillsConfig, prepare_stills
from prismaudio.training.train_audio_text import train_audio_text
from prismaudio.training.train_classifier import ClassifierTrainingConfig, train_classifier
from prismaudio.training.train_codec import CodecTrainingConfig, normalise_latents, train_codec
from prismaudio.training.train_dit import DiTTrainingConfig, load_training_scenes, train_dit
from prismaudio.training.train_glance import (
    GlanceSamples,
    GlanceTrainingConfig,
    train_glance,
)
from prismaudio.training.train_judges import (
    JudgesConfig,
    train_offset,
    train_quality,
    train_seen_place,
)
from prismaudio.training.train_motion_reader import MotionReaderTrainingConfig, train_motion_reader
from prismaudio.training.train_recogniser import Lessons, RecogniserTrainingConfig, train_recogniser
from prismaudio.training.train_student import LessonBook, StudentTrainingConfig, train_student
from prismaudio.training.watched import WatchedConfig, WatchedScene, load_watched, watch_scenes

PROJECTION_SCENES = 300


class RecipeConfig(Config):
    """How the shipped weights are made."""

    codec: CodecTrainingConfig = CodecTrainingConfig()
    pool: PoolConfig = PoolConfig()
    held_out_scenes: PositiveInt = 120
    glances: GlancesConfig = GlancesConfig()
    held_out_glances: PositiveInt = 250
    watched: WatchedConfig = WatchedConfig()
    held_out_watched: PositiveInt = 200
    motion_reader: MotionReaderTrainingConfig = MotionReaderTrainingConfig()
    stills: StillsConfig = StillsConfig()
    closeups: CloseupsConfig = CloseupsConfig()
    recogniser: RecogniserTrainingConfig = RecogniserTrainingConfig()
    glance: GlanceTrainingConfig = GlanceTrainingConfig()
    student: StudentTrainingConfig = StudentTrainingConfig()
    dit: DiTTrainingConfig = DiTTrainingConfig()
    classifier: ClassifierTrainingConfig = ClassifierTrainingConfig()
    judges: JudgesConfig = JudgesConfig()


def train_embedded(config: RecipeConfig, corpus: Corpus, folder: Path) -> Path:
    """Run every stage in `folder`; -> the folder with the weights to ship, `folder/weights`."""
    weights = folder / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    make_pools(config, corpus, folder)
    codec = make_codec(config, corpus, folder, weights)
    projection = make_projection(folder, weights)
    make_motion_reader(config, corpus, folder, weights)
    make_glance(config, corpus, folder, weights)
    make_recogniser(config, corpus, folder, weights)
    make_student(config, corpus, folder, weights)
    make_dit(config, corpus, folder, weights, codec, projection)
    make_classifier(config, corpus, folder, weights)
    make_judges(config, corpus, folder, weights)
    return weights


def make_pools(config: RecipeConfig, corpus: Corpus, folder: Path) -> None:
    """Render and perceive the scenes of training and validation."""
    prepare_pool(folder / "scenes" / "train", corpus, config.pool, "train")
    held_out = config.pool.model_copy(update={"count": config.held_out_scenes})
    prepare_pool(folder / "scenes" / "validation", corpus, held_out, "validation")


def make_codec(config: RecipeConfig, corpus: Corpus, folder: Path, weights: Path) -> MelStereoCodec:
    path = weights / "codec.safetensors"
    if not path.exists():
        codec = train_codec(config.codec, corpus, folder / "codec")
        normalise_latents(
            codec, [load_scene(file) for file in scene_files(folder / "scenes" / "train")[:400]]
        )
        ship(path, codec, config.codec.model.model_dump())
    return load_codec(path)


def make_projection(folder: Path, weights: Path) -> Projection:
    path = weights / "vision.safetensors"
    projection = Projection()
    if not path.exists():
        files = scene_files(folder / "scenes" / "train")[:PROJECTION_SCENES]
        projection.fit(torch.cat([load_scene(file).pictures for file in files]))
        ship(path, projection, {})
    load_weights(path, projection)
    return projection


def watched_pool(
    config: RecipeConfig, corpus: Corpus, folder: Path
) -> tuple[list[WatchedScene], list[WatchedScene]]:
    """Scenes of training and of validation, as a planner sees them; watched first, if they are not there yet."""
    watch_scenes(watched := folder / "scenes" / "watched-train", corpus, config.watched, "train")
    fewer = config.watched.model_copy(update={"count": config.held_out_watched})
    watch_scenes(held_out := folder / "scenes" / "watched-validation", corpus, fewer, "validation")
    return load_watched(scene_files(watched)), load_watched(scene_files(held_out))


def make_motion_reader(config: RecipeConfig, corpus: Corpus, folder: Path, weights: Path) -> None:
    path = weights / MOTION_READER
    if path.exists():
        return
    reader = config.motion_reader
    model = train_motion_reader(reader, *watched_pool(config, corpus, folder), folder / "motion_reader")
    ship(path, model, {"width": reader.width, "depth": reader.depth})


def make_glance(config: RecipeConfig, corpus: Corpus, folder: Path, weights: Path) -> None:
    path = weights / GLANCE
    if path.exists():
        return
    fewer = config.glances.model_copy(update={"scenes": config.held_out_glances})
    prepare_glances(glances_file(folder, "train"), corpus, config.glances, "train")
    prepare_glances(glances_file(folder, "validation"), corpus, fewer, "validation")
    samples, held_out = (
        GlanceSamples(Glances.load(glances_file(folder, split)), config.glance.loop.seed)
        for split in ("train", "validation")
    )
    ship(path, train_glance(config.glance, samples, held_out, folder / "glance"), {}, packing=True)


def make_recogniser(config: RecipeConfig, corpus: Corpus, folder: Path, weights: Path) -> None:
    """Look at stills and closeups, then learn where things are and what they are called."""
    path = weights / RECOGNISER
    if path.exists():
        return
    stills = folder / "looks" / "stills.pt"
    train, held_out = (folder / "looks" / f"{split}.pt" for split in ("train", "validation"))
    stills.parent.mkdir(parents=True, exist_ok=True)
    prepare_stills(stills, corpus, config.stills, "train")
    prepare_closeups(train, corpus, config.closeups, "train")
    prepare_closeups(held_out, corpus, config.closeups, "validation")
    lessons = Lessons(Stills.load(stills), Closeups.load(train))
    trained = train_recogniser(config.recogniser, lessons, Closeups.load(held_out), folder / "recogniser")
    ship(path, trained, {}, packing=True)


def make_student(config: RecipeConfig, corpus: Corpus, folder: Path, weights: Path) -> None:
    """The student reads what reader and glance see, so these come first."""
    path = weights / STUDENT
    if path.exists():
        return
    eyes = load_motion_reader(weights), load_glance(weights)
    lessons, held_out = (
        LessonBook(scenes, *eyes, config.student) for scenes in watched_pool(config, corpus, folder)
    )
    model = train_student(config.student, lessons, held_out, folder / "student")
    ship(path, model, config.student.model.model_dump(), packing=True)


def glances_file(folder: Path, split: str) -> Path:
    return folder / "scenes" / f"glances-{split}.pt"


def make_dit(
    config: RecipeConfig,
    corpus: Corpus,
    folder: Path,
    weights: Path,
    codec: MelStereoCodec,
    projection: Projection,
) -> None:
    path = weights / "dit.safetensors"
    if path.exists():
        return
    scenes, held_out = (
        load_training_scenes(scene_files(folder / "scenes" / split), codec, projection)
        for split in ("train", "validation")
    )
    model = config.dit.model.model_copy(update={"latent_channels": codec.latent_channels})
    training = config.dit.model_copy(update={"model": model})
    dit = train_dit(training, corpus, scenes, held_out, codec, folder / "dit")
    ship(path, dit, model.model_dump())


def make_classifier(config: RecipeConfig, corpus: Corpus, folder: Path, weights: Path) -> None:
    path = weights / "classifier.safetensors"
    if path.exists():
        return
    model = train_classifier(config.classifier, corpus, folder / "classifier")
    names = {"class_names": model.class_names, "width": config.classifier.width}
    ship(path, model, names, packing=True)


def make_judges(config: RecipeConfig, corpus: Corpus, folder: Path, weights: Path) -> None:
    """One for each dimension: of words from recordings, the other three from scenes."""
    judges, run = config.judges, folder / "judges"
    paths = {name: weights / file for name, file in FILES.items()}
    if not paths["words"].exists():
        ship(paths["words"], train_audio_text(judges.words, corpus, run / "words"), {}, packing=True)
    if all(path.exists() for path in paths.values()):
        return
    scenes, held_out = judged_pool(config, corpus, folder)
    for name, loop, learn in (
        ("offset", judges.offset, train_offset),
        ("cleanness", judges.quality, train_quality),
        ("place", judges.seen_place, train_seen_place),
    ):
        if not paths[name].exists():
            ship(paths[name], learn(loop, scenes, held_out, run / name), {}, packing=True)


def judged_pool(
    config: RecipeConfig, corpus: Corpus, folder: Path
) -> tuple[list[JudgedScene], list[JudgedScene]]:
    """Scenes of training and of validation, as judges meet them; rendered first, if they are not there yet."""
    scenes, fewer = config.judges.scenes, config.judges.held_out_scenes
    train, held_out = (folder / "scenes" / f"judged-{split}" for split in ("train", "validation"))
    prepare_judged(train, corpus, scenes, "train")
    prepare_judged(held_out, corpus, scenes.model_copy(update={"count": fewer}), "validation")
    files = list(scene_files(train))[: scenes.count], list(scene_files(held_out))[:fewer]
    return list(load_judged(files[0])), list(load_judged(files[1]))


def ship(path: Path, module: nn.Module, config: dict[str, object], *, packing: bool = False) -> None:
    """Save in half precision, which halves the package and changes no score that was measured.

    packing: large matrices in a byte a number, for the networks that name things.
    """
    save_weights(path, module.half(), config, packing=packing)


def install(weights: Path) -> None:
    """Make `weights` the embedded model of this installation."""
    for file in weights.glob("*.safetensors"):
        target = assets() / file.name
        beside = target.with_suffix(".partial")
        beside.write_bytes(file.read_bytes())
        beside.replace(target)
