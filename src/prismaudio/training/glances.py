"""Single pictures of stage scenes, as image features with the name of what is at one place: food for glances.

A film costs a third of a second to perceive, a still a fiftieth; so names are learned from many more scenes than motion.

Shapes: N stills, C columns of the picture, F image features.
"""

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
from prismaudio.stage.corpus import Corpus, Split
from prismaudio.stage.render import Theatre
from prismaudio.stage.scene import Scene, Source, StageConfig, draw_scene
from prismaudio.types import Frames

INDEX = {word.name: number for number, word in enumerate(VOCABULARY)}


class GlancesConfig(Config):
    """How many scenes are looked at, and how often each."""

    scenes: PositiveInt = 3000
    per_scene: PositiveInt = 3
    seed: NonNegativeInt = 77
    stage: StageConfig = StageConfig(longest=6.0)


class Glances(NamedTuple):
    """What was looked at, and what it was."""

    columns: Tensor  # (N, C, F) half precision
    azimuths: Tensor  # (N,)
    classes: Tensor  # (N,) numbers of the vocabulary

    @classmethod
    def load(cls, path: Path) -> "Glances":
        return cls(**torch.load(path, weights_only=True))


def prepare_glances(path: Path, corpus: Corpus, config: GlancesConfig, split: Split) -> None:
    """Write the stills of `split` to `path`, if they are not there yet."""
    if path.exists():
        return
    network = ImageNetwork()
    columns, azimuths, classes = [], [], []
    for index in tqdm(range(config.scenes), desc=f"looking at {split} scenes"):
        scene = draw_scene(config.seed, index, split, corpus, config.stage)
        visible = [source for source in scene.sources if source.sprite is not None]
        if not visible:
            continue
        rng = np.random.default_rng((config.seed, index, 4))
        looks = [
            _moment(visible[int(rng.integers(len(visible)))], scene, rng) for _ in range(config.per_scene)
        ]
        theatre = Theatre(scene, *PLACES_SIZE)
        pictures = np.stack([theatre.picture(t) for _, t in looks])
        columns.append(network.columns(Frames(pictures, PLACES_FPS)).half())
        azimuths += [source.path.at(t)[0] for source, t in looks]
        classes += [INDEX[source.class_name] for source, _ in looks]
    found = Glances(torch.cat(columns), torch.tensor(azimuths), torch.tensor(classes))
    beside = path.with_suffix(".partial")
    torch.save(found._asdict(), beside)
    beside.replace(path)


def _moment(source: Source, scene: Scene, rng: np.random.Generator) -> tuple[Source, float]:
    """A second at which `source` is seen, near one of its hits or while it sounds."""
    near_hit = float(rng.choice(source.hits)) + float(rng.normal(0, 0.1)) if source.hits else None
    t = float(rng.uniform(*source.span)) if near_hit is None else near_hit
    last = min(source.seen[1], scene.duration) - 0.04
    return source, float(np.clip(t, source.seen[0], last))
