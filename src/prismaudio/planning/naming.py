"""What a track is called: the looks taken where and when it sounds, and what its rhythm says of its kind.

Shapes: L looks, N names.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prismaudio.backends.embedded.imagenet import sound_of_image_classes
from prismaudio.backends.embedded.recogniser import Looks
from prismaudio.backends.embedded.vision import PLACES_FPS
from prismaudio.backends.embedded.vocabulary import VOCABULARY

SURE = 0.5  # probability from which an ImageNet name overrules the stage's recogniser
NEAR = 0.15  # azimuth by which a look may miss a track
SOON = 1.5  # seconds by which a look may miss a moment of a track
SEEN = 0.02  # weight of all looks below which a track was not seen
# Mean scores of the finder: below the one nothing stands there, from the other on something does.
DOUBTFUL, CLEAR = 0.35, 0.65
UNLIKE = 0.105  # probability of the best name below which a thing is like none of them
# What moves and is no thing: in most camera video, what the wind moves. The rest of the vocabulary shares what is left.
NO_THING = {"leaves_rustle": 0.35, "wind": 0.25}
# How often a class of each mode leaves a track of strikes, counted on validation scenes.
STRIKES = {"struck": 0.97, "call": 0.97, "sustained": 0.13}
SOFTER = 0.75  # by which log-probabilities are divided, so that confidence is how often a name is right

INDEX = {word.name: number for number, word in enumerate(VOCABULARY)}


class Candidate(NamedTuple):
    """A name a track may have."""

    name: str
    probability: float


def ranking(
    moments: NDArray[np.float64],
    azimuths: NDArray[np.float64],
    strikes: bool,
    looks: Looks,
    image_classes: Tensor,
) -> list[Candidate]:
    """All names of the vocabulary, the most probable first.

    moments, azimuths: when (seconds) and where (-1 to 1) the track sounds; strikes: whether it is made of hits;
    image_classes: (P, 1000) ImageNet probabilities at 2 fps.
    """
    probabilities, thing = by_looks(moments, azimuths, looks)
    probabilities = by_kind(probabilities, strikes)
    if float(probabilities.max()) < UNLIKE:
        thing = 0.5 * thing
    # What the wind moves may well seem to strike: rhythm was asked of things only.
    probabilities = thing * probabilities + (1 - thing) * _no_thing()
    rows = np.clip((moments * PLACES_FPS).astype(int), 0, len(image_classes) - 1)
    seen = sound_of_image_classes(image_classes[torch.from_numpy(rows)].mean(dim=0))
    if seen is not None and seen[1] >= SURE:
        probabilities = probabilities * (1 - seen[1])
        probabilities[INDEX[seen[0]]] += seen[1]
    order = probabilities.argsort(descending=True).tolist()
    return [Candidate(VOCABULARY[k].name, float(probabilities[k])) for k in order]


def by_looks(
    moments: NDArray[np.float64], azimuths: NDArray[np.float64], looks: Looks
) -> tuple[Tensor, float]:
    """-> (N,) probabilities, the weighted geometric mean of the looks; and how probably they were looks at a thing."""
    alike = torch.full((len(VOCABULARY),), 1 / len(VOCABULARY))
    if not len(looks.times):
        return alike, 0.0
    times = looks.times.numpy()
    away = looks.boxes[:, 0].numpy() * 2 - 1 - np.interp(times, moments, azimuths)
    late = np.abs(times[:, None] - moments[None]).min(axis=1)
    near = torch.from_numpy(np.exp(-0.5 * (away / NEAR) ** 2 - 0.5 * (late / SOON) ** 2)).float()
    weights = near * looks.scores
    if float(weights.sum()) < SEEN:
        return alike, 0.0
    mean = (weights[:, None] * looks.names).sum(dim=0) / weights.sum()
    score = float(weights.sum() / near.sum())
    thing = float(np.clip((score - DOUBTFUL) / (CLEAR - DOUBTFUL), 0, 1))
    return (mean / SOFTER).softmax(dim=-1), thing


def _no_thing() -> Tensor:
    """(N,) probabilities of names for what moves where nothing stands."""
    left = 1 - sum(NO_THING.values())
    rest = left / (len(VOCABULARY) - len(NO_THING))
    return torch.tensor([NO_THING.get(word.name, rest) for word in VOCABULARY])


def by_kind(probabilities: Tensor, strikes: bool) -> Tensor:
    """(N,) -> (N,), told whether what sounds strikes or goes on and on."""
    share = torch.tensor([STRIKES[word.mode] for word in VOCABULARY])
    told = probabilities * (share if strikes else 1 - share)
    return told / told.sum()
