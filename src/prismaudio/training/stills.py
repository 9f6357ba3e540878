"""Single pictures of stage scenes as the eyes see them, for learning where things are.

A film costs a third of a second to perceive, a still a fiftieth. Training stills show all the pictures of the corpus,
`Corpus.with_pictures`; held-out ones only held-out sprites.

Shapes: N stills, F image features, R x C cells of the feature map.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor
from tqdm import tqdm

from prismaudio.backends.embedded.vision import PLACES_FPS, PLACES_SIZE, ImageNetwork
from prismaudio.config import Config
from prismaudio.stage.corpus import Corpus, Split
from prismaudio.stage.render import Theatre
from prismaudio.stage.scene import Scene, StageConfig, draw_scene
from prismaudio.types import Frames

GROUP = 16  # scenes perceived at a time
MOST_SEEN = 4  # three sources and a distractor


class StillsConfig(Config):
    """How many scenes are looked at, and how."""

    scenes: PositiveInt = 3200
    seed: NonNegativeInt = 77
    stage: StageConfig = StageConfig(longest=6.0, distractor=0.1)


class Stills(NamedTuple):
    """What was looked at, and where things were."""

    maps: Tensor  # (N, F, R, C) half precision
    boxes: Tensor  # (N, 4, 3) centre x, y and extent of what is on screen; negative where there is no more

    @classmethod
    def load(cls, path: Path) -> "Stills":
        return cls(**torch.load(path, weights_only=True))


class _Still(NamedTuple):
    picture: NDArray[np.uint8]
    boxes: NDArray[np.float32]  # (4, 3)


def prepare_stills(path: Path, corpus: Corpus, config: StillsConfig, split: Split) -> None:
    """Write the stills of `split` to `path`, if they are not there yet."""
    if path.exists():
        return
    corpus = corpus.with_pictures() if split == "train" else corpus
    network = ImageNetwork()
    maps, boxes = [], []
    for start in tqdm(range(0, config.scenes, GROUP), desc=f"looking at {split} scenes"):
        stills = [
            _still(draw_scene(config.seed, index, split, corpus, config.stage), index, config)
            for index in range(start, min(start + GROUP, config.scenes))
        ]
        maps.append(network.maps(Frames(np.stack([s.picture for s in stills]), PLACES_FPS)).half())
        boxes.append(torch.from_numpy(np.stack([s.boxes for s in stills])))
    beside = path.with_suffix(".partial")
    torch.save(Stills(torch.cat(maps), torch.cat(boxes))._asdict(), beside)
    beside.replace(path)


def _still(scene: Scene, index: int, config: StillsConfig) -> _Still:
    """One moment of a scene, near a hit or while something sounds."""
    rng = np.random.default_rng((config.seed, index, 4))
    theatre = Theatre(scene, *PLACES_SIZE)
    t = _moment(scene, rng)
    picture = theatre.picture(t)
    boxes = np.full((MOST_SEEN, 3), -1, np.float32)
    for number, (_, box) in enumerate(theatre.boxes(t)):
        boxes[number] = box
    return _Still(picture, boxes)


def missed(box: tuple[float, float, float], rng: np.random.Generator) -> tuple[float, float, float]:
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
