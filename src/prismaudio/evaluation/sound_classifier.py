"""What is heard? The judge that names the classes of a sound, and what guessing alone would score.

Its network (`models.sound_classifier`) learned from training recordings only (`training.train_classifier`).
"""

import math
from collections.abc import Collection
from pathlib import Path

import torch

from prismaudio.generation.loading import assets
from prismaudio.media.audio import resample
from prismaudio.models.checkpoints import load_weights, read_config
from prismaudio.models.sound_classifier import SAMPLE_RATE, SoundClassifier, classifier_mel
from prismaudio.types import Audio

WEIGHTS = "classifier.safetensors"


def load_classifier(path: Path | None = None) -> SoundClassifier:
    """From a file of `save_weights`; by default the one in the package."""
    path = path or assets() / WEIGHTS
    classifier = SoundClassifier(**read_config(path))
    load_weights(path, classifier)
    return classifier.eval().requires_grad_(False)


def likeliest(classifier: SoundClassifier, audio: Audio, count: int = 5) -> tuple[str, ...]:
    """The names of the `count` classes most surely heard in `audio`, surest first; none in silence."""
    if not torch.any(audio.samples):
        return ()
    chances = classifier.probabilities(classifier_mel(resample(audio, SAMPLE_RATE).samples))
    return tuple(classifier.class_names[int(i)] for i in chances.argsort(descending=True)[:count])


def chance_of_hit(guesses: int, wanted: Collection[str], classes: int) -> float:
    """How often `guesses` different classes drawn blindly out of `classes` include one of those `wanted`."""
    return 1 - math.comb(classes - len(set(wanted)), guesses) / math.comb(classes, guesses)
