"""The labelled sounds and sprites a scene is composed of, and which of them are held out.

Shapes: N samples, H x W pixels.
"""

import csv
import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from prismaudio.errors import PrismAudioError, UnknownChoice

Split = Literal["train", "validation", "test"]
Mode = Literal["struck", "call", "sustained"]
SAMPLE_RATE = 44100


class MissingCorpus(PrismAudioError):
    """The folder with labelled sounds and sprites is not where it was looked for."""


@dataclass(frozen=True)
class SoundClass:
    """How a class is spoken of, and how its sources behave."""

    name: str
    words: str  # "a dog barking"
    noun: str  # "dog"
    verb: str  # "barking"
    mode: Mode
    ambient: bool  # may lie under a scene as a bed
    sprites_from: tuple[
        str, ...
    ] = ()  # classes whose pictures may stand for it, where it has none of its own


@dataclass(frozen=True)
class Recording:
    path: Path
    class_name: str
    split: Split
    mode: Mode
    onset: float  # seconds of silence before the first audible sound
    words: str


@dataclass(frozen=True)
class Sprite:
    path: Path
    class_name: str
    split: Split


@dataclass(frozen=True)
class Corpus:
    """Everything the stage may use, read from one folder."""

    classes: dict[str, SoundClass]
    recordings: tuple[Recording, ...]
    sprites: tuple[Sprite, ...]
    pictures: tuple[Sprite, ...] = ()  # for learning names only: scenes are drawn from `sprites`

    @classmethod
    def load(cls, folder: Path | None = None) -> "Corpus":
        """Read the tables of `folder` (default: `default_folder()`); the media are read when they are needed."""
        return _load(folder or default_folder())

    def with_pictures(self) -> "Corpus":
        """The same with `pictures` among the sprites, all of them of the training split.

        Scenes of this corpus are other scenes: nothing that is measured or compared may be drawn from it.
        """
        return replace(self, sprites=self.sprites + self.pictures)

    def sounding(self, class_names: Collection[str]) -> "Corpus":
        """The same with no recordings of other classes, so that scenes sound of these alone."""
        for name in class_names:
            if name not in self.classes:
                raise UnknownChoice("class of sound", name, sorted(self.classes))
        return replace(self, recordings=tuple(r for r in self.recordings if r.class_name in class_names))

    def recordings_of(self, class_name: str, split: Split) -> list[Recording]:
        return [r for r in self._recordings.get(class_name, []) if r.split == split]

    def sprites_of(self, class_name: str, split: Split) -> list[Sprite]:
        """Its own pictures; for a class that has none in any split, those of the classes that stand in for it."""
        own = class_name in self._sprites
        names = {class_name} if own else set(self.classes[class_name].sprites_from)
        found = [pair for name in names for pair in self._sprites.get(name, []) if pair[1].split == split]
        return [sprite for _, sprite in sorted(found, key=lambda pair: pair[0])]

    @cached_property
    def _recordings(self) -> dict[str, list[Recording]]:
        by_class: dict[str, list[Recording]] = {}
        for recording in self.recordings:
            by_class.setdefault(recording.class_name, []).append(recording)
        return by_class

    @cached_property
    def _sprites(self) -> dict[str, list[tuple[int, Sprite]]]:
        """With their place in `sprites`, whose order decides what a scene draws."""
        by_class: dict[str, list[tuple[int, Sprite]]] = {}
        for place, sprite in enumerate(self.sprites):
            by_class.setdefault(sprite.class_name, []).append((place, sprite))
        return by_class


def default_folder() -> Path:
    """$PRISMAUDIO_CORPUS, else `corpus/` of the source checkout this package is installed from, else of the cwd."""
    named = os.environ.get("PRISMAUDIO_CORPUS")
    checkout = Path(__file__).resolve().parents[3] / "corpus"
    return Path(named) if named else checkout if checkout.is_dir() else Path("corpus")


@lru_cache(maxsize=2)
def _load(folder: Path) -> Corpus:
    if not (folder / "sounds.csv").is_file():
        raise MissingCorpus(
            f"no corpus at {folder} (sounds.csv not found); clone the repository, whose corpus/ holds it, "
            "and give its path with --corpus or PRISMAUDIO_CORPUS"
        )
    splits = {row["file"]: _split(row["split"]) for row in _rows(folder / "splits.csv")}
    classes = {row["class"]: _sound_class(row) for row in _rows(folder / "classes.csv")}
    recordings = tuple(
        Recording(
            path=folder / "sounds" / row["file"],
            class_name=row["class"],
            split=splits[f"sounds/{row['file']}"],
            mode=_mode(row["mode"]),
            onset=float(row["onset"]),
            words=row["words"],
        )
        for row in _rows(folder / "sounds.csv")
    )
    sprites = tuple(
        Sprite(folder / "sprites" / row["file"], row["class"], splits[f"sprites/{row['file']}"])
        for row in _rows(folder / "sprites.csv")
    )
    pictures = tuple(
        Sprite(folder / "pictures" / row["file"], row["class"], "train")
        for row in _rows(folder / "pictures.csv")
    )
    return Corpus(classes, recordings, sprites, pictures)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _sound_class(row: dict[str, str]) -> SoundClass:
    ambient = row["ambient"].lower() in {"yes", "true", "1"}
    stand_ins = tuple(row["sprites_from"].replace(",", " ").replace(";", " ").replace("|", " ").split())
    return SoundClass(
        row["class"], row["words"], row["noun"], row["verb"], _mode(row["mode"]), ambient, stand_ins
    )


def _split(text: str) -> Split:
    if text not in get_args(Split):
        raise MissingCorpus(
            f"splits.csv names the split {text!r}; expected one of {', '.join(get_args(Split))}"
        )
    return text  # type: ignore[return-value]  # checked on the line above


def _mode(text: str) -> Mode:
    if text not in get_args(Mode):
        raise MissingCorpus(
            f"the corpus names the mode {text!r}; expected one of {', '.join(get_args(Mode))}"
        )
    return text  # type: ignore[return-value]  # checked on the line above


@lru_cache(maxsize=1024)
def read_sound(path: Path) -> NDArray[np.float32]:
    """-> (2, N) float32 at 44.1 kHz; a mono recording is the same on both sides."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != SAMPLE_RATE:
        samples = soxr.resample(samples, rate, SAMPLE_RATE).astype(np.float32)
    stereo = samples.T if samples.shape[1] == 2 else np.repeat(samples[:, :1].T, 2, axis=0)
    return np.ascontiguousarray(stereo)


@lru_cache(maxsize=1024)
def read_sprite(path: Path) -> NDArray[np.uint8]:
    """-> (H, W, 4) RGBA."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        raise MissingCorpus(f"{path} is not an image with transparency; reinstall the corpus")
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)
