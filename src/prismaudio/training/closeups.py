"""Close looks at every picture of a split, for learning names; each picture is looked at as often as any other.

Shapes: M looks, R x C cells of the trunk's map.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor
from tqdm import tqdm

from prismaudio.backends.embedded.recogniser import close_look
from prismaudio.backends.embedded.vision import PLACES_FPS, PLACES_SIZE, ImageNetwork
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.config import Config
from prismaudio.stage.corpus import Corpus, Split, Sprite
from prismaudio.stage.render import Theatre
from prismaudio.stage.scene import GESTURES, Scene, Source
from prismaudio.stage.scene import Path as Way
from prismaudio.training.stills import missed
from prismaudio.types import Frames

INDEX = {word.name: number for number, word in enumerate(VOCABULARY)}
GROUP = 32  # pictures perceived at a time
DURATION = 4.0  # seconds


class CloseupsConfig(Config):
    """How often every picture is looked at."""

    looks: PositiveInt = 5
    crowd: float = 0.3  # share of looks past which something else may stand
    seed: NonNegativeInt = 78


class Closeups(NamedTuple):
    """What was looked at, and what it may be called."""

    looks: Tensor  # (M, 192, R, C) half precision
    pictures: Tensor  # (M,) number of the picture
    names: Tensor  # (pictures, N) how often the stage shows each picture under each name; all add up to one

    @classmethod
    def load(cls, path: Path) -> "Closeups":
        return cls(**torch.load(path, weights_only=True))


def prepare_closeups(path: Path, corpus: Corpus, config: CloseupsConfig, split: Split) -> None:
    """Write the looks of `split` to `path`, if they are not there yet."""
    if path.exists():
        return
    corpus = corpus.with_pictures() if split == "train" else corpus
    network, sprites = ImageNetwork(), [s for s in corpus.sprites if s.split == split]
    looks = []
    for start in tqdm(range(0, len(sprites), GROUP), desc=f"looking at {split} pictures"):
        numbers = range(start, min(start + GROUP, len(sprites)))
        crops = [crop for number in numbers for crop in _looks(number, sprites, config)]
        looks.append(network.trunk(Frames(np.stack(crops), PLACES_FPS)).half())
    found = Closeups(
        looks=torch.cat(looks),
        pictures=torch.arange(len(sprites)).repeat_interleave(config.looks),
        names=names_of(sprites, corpus, split),
    )
    beside = path.with_suffix(".partial")
    torch.save(found._asdict(), beside)
    beside.replace(path)


def names_of(sprites: list[Sprite], corpus: Corpus, split: Split) -> Tensor:
    """-> (pictures, N): the probability that a source of the stage shows this picture and is of this class.

    Struck classes are drawn twice as often, and some classes borrow the pictures of others, see `draw_scene`.
    """
    place = {sprite.path: number for number, sprite in enumerate(sprites)}
    table = torch.zeros(len(sprites), len(VOCABULARY))
    for sound in corpus.classes.values():
        shown = corpus.sprites_of(sound.name, split)
        for sprite in shown:
            table[place[sprite.path], INDEX[sound.name]] = (2.0 if sound.mode == "struck" else 1.0) / len(
                shown
            )
    return table / table.sum()


def _looks(number: int, sprites: list[Sprite], config: CloseupsConfig) -> list[NDArray[np.uint8]]:
    """Picture `number` on a stage of its own, seen at several moments of its way and in several sizes."""
    rng = np.random.default_rng((config.seed, number))
    here = _actor(sprites[number], rng)
    others = [_actor(sprites[int(rng.integers(len(sprites)))], rng)] if rng.random() < config.crowd else []
    scene = Scene(
        duration=DURATION,
        sources=(here,),
        distractors=tuple(others),
        ambience=(),
        ambience_db=0.0,
        quality=1.0,
        flaws=(),
        room="dry",
        loudness="balanced",
        cut_at=None,
        noise_seed=int(rng.integers(2**31)),
    )
    theatre = Theatre(scene, *PLACES_SIZE)
    crops = []
    for t in rng.uniform(0, DURATION, config.looks):
        box = next(box for source, box in theatre.boxes(float(t)) if source is here)
        crops.append(close_look(theatre.picture(float(t)), missed(box, rng)))
    return crops


def _actor(sprite: Sprite, rng: np.random.Generator) -> Source:
    start, end = (
        (float(rng.uniform(-0.85, 0.85)), float(rng.uniform(-0.1, 0.5)), float(rng.uniform(0.2, 0.65)))
        for _ in range(2)
    )
    hits = tuple(float(t) for t in np.sort(rng.uniform(0.3, DURATION - 0.3, 3)))
    return Source(
        id="s1",
        class_name=sprite.class_name,
        mode="struck",
        words="",
        recordings=(),
        hits=hits if rng.random() < 0.6 else (),
        strengths=(),
        span=(0.0, DURATION),
        path=Way(start, end, DURATION),
        gain_db=0.0,
        speed=1.0,
        sprite=sprite,
        gesture=GESTURES[int(rng.integers(len(GESTURES)))],
        flip=bool(rng.random() < 0.5),
    )
