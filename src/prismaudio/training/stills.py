"""Single pictures of stage scenes, as image features with the names of what is at which place: food for the recogniser.

A film costs a third of a second to perceive, a still a tenth; so names are learned from many more scenes than motion.

Shapes: S stills, N places in them, C columns of the picture, F image features.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor
from tqdm import tqdm

from prismaudio.backends.embedded.vision import PLACES_FPS, PLACES_SIZE, ImageNetwork
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.config import Config
from prismaudio.planning.embedded import Manner, manner_of
from prismaudio.stage.corpus import Corpus, Split
from prismaudio.stage.render import Theatre
from prismaudio.stage.scene import Scene, Source, StageConfig, draw_scene
from prismaudio.types import Frames

INDEX = {word.name: number for number, word in enumerate(VOCABULARY)}
HIDDEN = 0.3  # azimuth difference below which one thing may hide another
BATCH = 8


class StillsConfig(Config):
    """How many pictures are looked at, and what is on them."""

    scenes: PositiveInt = 3000
    casts: PositiveInt = (
        2  # scenes shown on one stage: more to learn from a picture, and it teaches to tell apart
    )
    seed: NonNegativeInt = 77
    stage: StageConfig = StageConfig(longest=6.0, off_screen=0.0, cut=0.0)


class Place(NamedTuple):
    """Something that is seen."""

    azimuth: float
    class_name: str
    manner: Manner
    sprite: str  # its file


class Stills(NamedTuple):
    """What was looked at, and what it was."""

    columns: Tensor  # (S, C, F) half precision
    rows: Tensor  # (N,) which still a place is in
    azimuths: Tensor  # (N,)
    classes: Tensor  # (N,) numbers of the vocabulary
    manners: Tensor  # (N,)
    sprites: list[str]  # (N,)

    @classmethod
    def load(cls, path: Path) -> "Stills":
        return cls(**torch.load(path, weights_only=True))


def prepare_stills(path: Path, corpus: Corpus, config: StillsConfig, split: Split) -> None:
    """Write the stills of `split` to `path`, if they are not there yet."""
    if path.exists():
        return
    network = ImageNetwork()
    columns: list[Tensor] = []
    places: list[Place] = []
    rows: list[int] = []
    pictures = []
    for index in tqdm(range(config.scenes), desc=f"looking at {split} scenes"):
        picture, seen = _still(corpus, config, split, index)
        pictures.append(picture)
        places += seen
        rows += [index] * len(seen)
        if len(pictures) == BATCH or index == config.scenes - 1:
            columns.append(network.places(Frames(np.stack(pictures), PLACES_FPS)).half())
            pictures = []
    stills = Stills(
        columns=torch.cat(columns),
        rows=torch.tensor(rows),
        azimuths=torch.tensor([place.azimuth for place in places]),
        classes=torch.tensor([INDEX[place.class_name] for place in places]),
        manners=torch.tensor([int(place.manner) for place in places]),
        sprites=[place.sprite for place in places],
    )
    beside = path.with_suffix(".partial")
    torch.save(stills._asdict(), beside)
    beside.replace(path)


def _still(corpus: Corpus, config: StillsConfig, split: Split, index: int) -> tuple[np.ndarray, list[Place]]:
    """Some moment of the casts of a few scenes, together on the stage of the first; and who is where."""
    first, *others = (
        draw_scene(config.seed, index * config.casts + cast, split, corpus, config.stage)
        for cast in range(config.casts)
    )
    cast = [source for other in others for source in (*other.distractors, *other.sources)]
    scene = replace(first, sources=(*first.sources, *cast))
    rng = np.random.default_rng((config.seed, index, 4))
    t = float(rng.uniform(0, min(each.duration for each in (first, *others)) - 0.04))
    return Theatre(scene, *PLACES_SIZE).picture(t), _in_sight(scene, corpus, t)


def _in_sight(scene: Scene, corpus: Corpus, t: float) -> list[Place]:
    """What nothing in front hides at second `t`; a thing that is silent is known by how its class usually sounds."""
    shown = [source for source in (*scene.distractors, *scene.sources) if source.sprite is not None]
    azimuths = np.array([source.path.at(t)[0] for source in shown])
    places = []
    for number, source in enumerate(shown):
        in_front = np.abs(azimuths[number + 1 :] - azimuths[number])
        if source.sprite is not None and (in_front > HIDDEN).all():
            azimuth = float(azimuths[number])
            places.append(Place(azimuth, source.class_name, _manner(source, corpus), source.sprite.path.name))
    return places


def _manner(source: Source, corpus: Corpus) -> Manner:
    if source.recordings:
        return manner_of(source.hits)
    mode = corpus.classes[source.class_name].mode
    return {"struck": Manner.STRIKES, "call": Manner.CALLS, "sustained": Manner.GOES_ON}[mode]
