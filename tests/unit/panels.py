"""Files of the embedded judges with small random numbers in them, made-up judges, films and plans to judge by."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prismaudio.backends.base import Sounds
from prismaudio.backends.embedded.judges import FILES
from prismaudio.backends.synchrony import OFFSETS, Synchrony
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.rewards import Case, Opinion
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.generation.judging import Judges
from prismaudio.media.preprocess import View
from prismaudio.models.checkpoints import save_weights
from prismaudio.models.judges import AudioTextNetwork, OffsetNetwork, QualityNetwork, SeenPlaceNetwork
from prismaudio.types import Frames

NETWORKS = {
    "words": AudioTextNetwork,
    "offset": OffsetNetwork,
    "cleanness": QualityNetwork,
    "place": SeenPlaceNetwork,
}
VIEW = View(5, 16, 12, fit="stretch")
PLAN = Plan(duration=5, semantic=SemanticThought(events=(Event(id="dog", sound="a dog barking"),)))


def judge_files(folder: Path) -> Path:
    """The four embedded judges, untrained: they have opinions, but no reasons."""
    torch.manual_seed(0)
    for name, network in NETWORKS.items():
        save_weights(folder / FILES[name], network(), {})
    return folder


def embedded_in(folder: Path) -> Judges:
    return Judges(**dict.fromkeys(("semantic", "temporal", "aesthetic", "spatial"), f"embedded:{folder}"))


def film(seconds: float, fps: float = 25, width: int = 64, height: int = 48) -> Frames:
    """In which everything changes all the time."""
    rng = np.random.default_rng(0)
    return Frames(rng.integers(0, 255, (round(seconds * fps), height, width, 3), np.uint8), fps)


class Made:
    """A judge who says what was decided beforehand, of however many sounds."""

    versions: dict[str, str] = {"weights": "none"}  # noqa: RUF012
    view = VIEW
    sharpness = 40.0

    def __init__(self, says: Tensor, name: str = "made", axes: tuple[str, ...] = ("cleanness",)) -> None:
        self.says, self.name, self.axes = says, name, axes

    def hear(self, sounds: Sounds) -> Tensor:
        """Unit vectors whose first number is what it says."""
        rest = (1 - self.says.square()).clamp(min=0).sqrt()
        return torch.stack([self.says, rest], dim=-1)

    def read(self, texts: list[str]) -> Tensor:
        self.asked = texts
        return torch.tensor([[1.0, 0.0]] * len(texts))

    def score(self, sounds: Sounds, other: object = None) -> Tensor:
        return self.says

    def delays(self, sounds: Sounds) -> Tensor:
        """What it says of unlike sounds; none of a true one, which stands beside every sound."""
        true = torch.equal(sounds.samples[0], sounds.samples[-1])
        return torch.zeros(len(sounds.samples), 1) if true else self.says[:, None]


class MadeSynchrony(Made):
    """Certain of one offset a sound and window."""

    def score(self, sounds: Sounds, other: object = None) -> Synchrony:  # type: ignore[override]
        """says: (B, W) numbers of offsets, 0 to 20"""
        logits = 1e4 * torch.nn.functional.one_hot(self.says.long(), OFFSETS)
        return Synchrony(logits.float(), tuple(range(self.says.shape[1])))


class MadeReward:
    """A reward that was decided beforehand."""

    nothing = "there is nothing to say"
    judges = (Made(torch.zeros(1)),)
    views: tuple[View, ...] = ()

    def __init__(self, *says: float, views: tuple[View, ...] = ()) -> None:
        self.says, self.views = torch.tensor(says), views

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        says = self.says[: len(sounds.samples)]
        return Opinion(says, {"doubled": 2 * says})
