"""Single pictures of stage scenes as the eyes see them: where things are, and what a close look at each shows.

A film costs a third of a second to perceive, a still a fiftieth; so names are learned from many more scenes than motion.
Training stills show all the pictures of the corpus, `Corpus.with_pictures`; held-out ones only held-out sprites.

Shapes: N stills, M close looks, F image features, R x C cells of the feature map.
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
from prismaudio.stage.corpus import Corpus, Split
from prismaudio.stage.render import Theatre
from prismaudio.stage.scene import Scene, StageConfig, draw_scene
from prismaudio.types import Frames

INDEX = {word.name: number for number, word in enumerate(VOCABULARY)}
GROUP = 16  # scenes perceived at a time


class StillsConfig(Config):
    """How many scenes are looked at, and how."""

    scenes: PositiveInt = 3200
    looks: PositiveInt = 2  # at each thing, none of them quite centred
    seed: NonNegativeInt = 77
    stage: StageConfig = StageConfig(longest=6.0, distractor=0.1)


class Stills(NamedTuple):
    """What was looked at, and what it was."""

    maps: Tensor  # (N, F, R, C) half precision
    boxes: Tensor  # (N, 4, 3) centre x, y and extent of what is on screen; negative where there is no more
    looks: Tensor  # (M, F) half precision
    classes: Tensor  # (M,) numbers of the vocabulary

    @classmethod
    def load(cls, path: Path) -> "Stills":
        return cls(**torch.load(path, weights_only=True))


class _Still(NamedTuple):
    picture: NDArray[np.uint8]
    boxes: NDArray[np.float32]  # (4, 3)
    crops: list[NDArray[np.uint8]]
    classes: list[int]


def prepare_stills(path: Path, corpus: Corpus, config: StillsConfig, split: Split) -> None:
    """Write the stills of `split` to `path`, if they are not there yet."""
    if path.exists():
        return
    corpus = corpus.with_pictures() if split == "train" else corpus
    network = ImageNetwork()
    maps, boxes, looks, classes = [], [], [], []
    for start in tqdm(range(0, config.scenes, GROUP), desc=f"looking at {split} scenes"):
        drawn = [
            _still(draw_scene(config.seed, index, split, corpus, config.stage), index, config)
            for index in range(start, min(start + GROUP, config.scenes))
        ]
        stills = [still for still in drawn if still.crops]
        if not stills:
            continue
        maps.append(network.maps(Frames(np.stack([s.picture for s in stills]), PLACES_FPS)).half())
        boxes.append(torch.from_numpy(np.stack([s.boxes for s in stills])))
        crops = np.stack([crop for s in stills for crop in s.crops])
        looks.append(network.maps(Frames(crops, PLACES_FPS)).mean(dim=(2, 3)).half())
        classes += [number for s in stills for number in s.classes]
    found = Stills(torch.cat(maps), torch.cat(boxes), torch.cat(looks), torch.tensor(classes))
    beside = path.with_suffix(".partial")
    torch.save(found._asdict(), beside)
    beside.replace(path)


def _still(scene: Scene, index: int, config: StillsConfig) -> _Still:
    """One moment of a scene, near a hit or while something sounds, and looks at all that sounds in it."""
    rng = np.random.default_rng((config.seed, index, 4))
    theatre = Theatre(scene, *PLACES_SIZE)
    t = _moment(scene, rng)
    picture = theatre.picture(t)
    boxes = np.full((4, 3), -1, np.float32)
    crops, classes = [], []
    for number, (source, box) in enumerate(theatre.boxes(t)):
        boxes[number] = box
        if source.recordings:
            crops += [close_look(picture, _missed(box, rng)) for _ in range(config.looks)]
            classes += [INDEX[source.class_name]] * config.looks
    return _Still(picture, boxes, crops, classes)


def _missed(box: tuple[float, float, float], rng: np.random.Generator) -> tuple[float, float, float]:
    """A box as a finder may find it."""
    x, y, size = box
    width, height = PLACES_SIZE
    away = rng.normal(0, 0.1 * size, 2)
    return x + away[0] * height / width, y + away[1], size * float(np.exp(rng.normal(0, 0.18)))


def _moment(scene: Scene, rng: np.random.Generator) -> float:
    visible = [source for source in scene.sources if source.sprite is not None]
    if not visible:
        return float(rng.uniform(0, scene.duration))
    source = visible[int(rng.integers(len(visible)))]
    near_hit = float(rng.choice(source.hits)) + float(rng.normal(0, 0.2)) if source.hits else None
    t = float(rng.uniform(*source.span)) if near_hit is None else near_hit
    return float(np.clip(t, source.seen[0], min(source.seen[1], scene.duration) - 0.04))
