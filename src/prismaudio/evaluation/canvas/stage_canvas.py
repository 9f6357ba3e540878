"""stage-canvas: a benchmark of stage scenes that anybody can make again from three words: size, seed, corpus.

Films are silent, so that nothing but the picture tells what sounds. All of it comes from the test split: recordings and
pictures that no embedded weight has seen.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.wording import joined
from prismaudio.errors import CannotWrite
from prismaudio.evaluation.canvas.manifest import Entry, Event, Manifest
from prismaudio.evaluation.suite.cache import digest_of
from prismaudio.media.audio import write_audio
from prismaudio.media.files import replacing
from prismaudio.stage.corpus import SAMPLE_RATE, Corpus
from prismaudio.stage.film import encode
from prismaudio.stage.mix import mix
from prismaudio.stage.render import iter_frames
from prismaudio.stage.scene import Scene, StageConfig, draw_scene
from prismaudio.types import Audio

Size = Literal["small", "full"]
FOLDERS = ("videos", "references", "plans")
TABLES = ("classes.csv", "sounds.csv", "splits.csv", "sprites.csv")
PACKAGES = ("prismaudio", "av", "numpy", "scipy", "soxr", "opencv-python-headless")


class CanvasConfig(Config):
    """How many scenes of which kind."""

    name: str
    seed: NonNegativeInt = 2026
    single: NonNegativeInt = Field(description="scenes with one source; as many classes as there are")
    multi: NonNegativeInt = Field(description="scenes with two or three, of different classes")
    shortest: PositiveFloat
    longest: PositiveFloat
    width: int = Field(320, ge=16, multiple_of=2)
    height: int = Field(224, ge=16, multiple_of=2)

    @property
    def stage(self) -> StageConfig:
        """Everything that sounds is seen: a benchmark must be possible."""
        return StageConfig(shortest=self.shortest, longest=self.longest, off_screen=0.0)


SIZES: dict[Size, CanvasConfig] = {
    "small": CanvasConfig(name="stage-canvas-small", single=16, multi=8, shortest=3.0, longest=5.0),
    "full": CanvasConfig(name="stage-canvas-full", single=200, multi=100, shortest=2.0, longest=9.0),
}


class Chosen(NamedTuple):
    """One scene of the benchmark."""

    number: int
    event: Event
    scene: Scene


def choose_scenes(config: CanvasConfig, corpus: Corpus) -> list[Chosen]:
    """In the order of their numbers. Of the single scenes no class has more than its even share, rounded up."""
    drawn = _drawn(config, corpus)
    classes = [
        name
        for name in corpus.classes
        if corpus.recordings_of(name, "test") and corpus.sprites_of(name, "test")
    ]
    most = -(-config.single // max(len(classes), 1))
    taken: Counter[str] = Counter()
    counts: Counter[Event] = Counter()
    chosen = []
    while counts["single"] < config.single or counts["multi"] < config.multi:
        number, scene = next(drawn)
        names = {source.class_name for source in scene.sources}
        event: Event = "single" if len(scene.sources) == 1 else "multi"
        if counts[event] == getattr(config, event):
            continue
        if event == "single":
            (name,) = names
            if taken[name] == most:
                continue
            taken[name] += 1
        elif len(names) < 2:
            continue
        counts[event] += 1
        chosen.append(Chosen(number, event, scene))
    return chosen


def _drawn(config: CanvasConfig, corpus: Corpus) -> Iterator[tuple[int, Scene]]:
    number = 0
    while True:
        yield number, draw_scene(config.seed, number, "test", corpus, config.stage)
        number += 1


def write_stage_canvas(folder: Path, config: CanvasConfig, corpus: Corpus, corpus_folder: Path) -> Manifest:
    """Films, true sounds, true plans and their manifest; what an interrupted call has written stays as it is."""
    try:
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(folder, (error.strerror or "").lower(), "choose another folder") from error
    entries = [
        _write(folder, chosen, config, corpus)
        for chosen in tqdm(choose_scenes(config, corpus), desc="scenes", disable=None)
    ]
    manifest = Manifest.of(
        folder / "manifest.jsonl", config.name, entries, truth=True, made_by=provenance(config, corpus_folder)
    )
    manifest.save()
    return manifest


def _write(folder: Path, chosen: Chosen, config: CanvasConfig, corpus: Corpus) -> Entry:
    name = f"{config.name}-{config.seed}-{chosen.number:05d}"
    film, sound, plan_file = (
        folder / kind / f"{name}{ending}"
        for kind, ending in zip(FOLDERS, (".mp4", ".wav", ".yaml"), strict=True)
    )
    plan = chosen.scene.plan(corpus)
    if not film.is_file():
        size = (config.width, config.height)
        with replacing(film) as temporary:
            encode(temporary, iter_frames(chosen.scene, *size), size)
    if not sound.is_file():
        write_audio(sound, Audio(torch.from_numpy(mix(chosen.scene)), SAMPLE_RATE))
    plan.save(plan_file)
    return Entry(
        id=name,
        video=film.relative_to(folder).as_posix(),
        sha256=digest_of(film),
        event=chosen.event,
        classes=classes_of(plan),
        caption=joined(list(plan.sounds().values())),
        cot=plan.paragraphs(),
        plan=plan_file.relative_to(folder).as_posix(),
        audio=sound.relative_to(folder).as_posix(),
        audio_sha256=digest_of(sound),
        source=f"stage seed {config.seed} scene {chosen.number}",
        split="test",
    )


def classes_of(plan: Plan) -> tuple[str, ...]:
    """What sounds, each class once, in the order of the events."""
    return tuple(dict.fromkeys(event.label for event in plan.semantic.events if event.label))


def provenance(config: CanvasConfig, corpus_folder: Path) -> dict[str, str]:
    """Settings, the corpus by its tables, and the packages whose versions change a byte."""
    digest = hashlib.sha256(b"".join((corpus_folder / name).read_bytes() for name in TABLES)).hexdigest()
    settings = {name: str(value) for name, value in config.model_dump().items() if name != "name"}
    return settings | {"corpus": digest} | {name: version(name) for name in PACKAGES}
