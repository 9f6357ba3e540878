"""What the stage knows of its scenes, as a judge that nothing optimises: the gold of the alarm.

Gold is the mean of three measures from 0 to 1: onset F1 at 80 ms, pooled over scenes; one minus the mean distance of
heard and true azimuth, over all events heard alone; and how surely the classifier of the benchmark hears a class of the
scene. No network of the four judges takes part in it.

Shapes: S scenes, W windows of all of them, D features.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from prismaudio.dimensions.plan import Plan
from prismaudio.evaluation.metrics.direction import directions
from prismaudio.evaluation.metrics.frechet import frechet_distance
from prismaudio.evaluation.metrics.onsets import Matches, score_onsets
from prismaudio.evaluation.metrics.proxy_quality import quality
from prismaudio.evaluation.scores import labels
from prismaudio.evaluation.sound_classifier import load_classifier
from prismaudio.models.sound_classifier import SoundClassifier, classifier_mel, loud_windows
from prismaudio.types import Audio


class SceneTruth(NamedTuple):
    """One sound beside the truth of its scene."""

    onsets: Matches
    azimuth_errors: tuple[float, ...]  # of the events heard alone, 0 to 2
    class_chance: float  # that a class of the scene is what is heard
    quality: float  # weightless mark of defects, not part of gold

    def record(self) -> dict[str, Any]:
        """For a JSON file."""
        return {**self._asdict(), "onsets": self.onsets._asdict()}


class Truth:
    """Measures sounds made for the scenes of `plans`, and knows the features of their true sounds."""

    def __init__(self, plans: Sequence[Plan], true_sounds: Sequence[Audio]) -> None:
        self.plans = plans
        self.classifier = load_classifier()
        self.true_features = features(self.classifier, true_sounds)

    def scenes(self, sounds: Sequence[Audio]) -> list[SceneTruth]:
        """sounds: of all scenes, in order"""
        return [self._scene(sound, plan) for sound, plan in zip(sounds, self.plans, strict=True)]

    def distance(self, sounds: Sequence[Audio]) -> float:
        """Frechet distance of classifier features, of windows; few scenes bias it, so compare it with itself only."""
        return frechet_distance(features(self.classifier, sounds), self.true_features, allow_small=True)

    def _scene(self, sound: Audio, plan: Plan) -> SceneTruth:
        wanted = [self.classifier.class_names.index(name) for name in sorted(labels(plan))]
        chances = self.classifier.probabilities(classifier_mel(sound.samples))
        return SceneTruth(
            onsets=score_onsets(sound, plan),
            azimuth_errors=tuple(abs(event.combined - event.true) for event in directions(sound, plan)),
            class_chance=float(chances[wanted].sum()),
            quality=quality(sound),
        )


def figures(scenes: Sequence[SceneTruth]) -> dict[str, float]:
    """Of all scenes together; "gold" is what the alarm listens to."""
    errors = [error for scene in scenes for error in scene.azimuth_errors]
    when = Matches.pooled([scene.onsets for scene in scenes]).f1
    where = float(np.mean(errors)) if errors else 1.0
    what = float(np.mean([scene.class_chance for scene in scenes]))
    return {
        "gold": (when + max(0.0, 1 - where) + what) / 3,
        "onset_f1": when,
        "azimuth_error": where,
        "class_chance": what,
        "quality": float(np.mean([scene.quality for scene in scenes])),
    }


@torch.no_grad()
def features(classifier: SoundClassifier, sounds: Sequence[Audio]) -> NDArray[np.float32]:
    """-> (W, D), what the classifier makes of every window before it names a class"""
    windows = [loud_windows(classifier_mel(sound.samples))[0] for sound in sounds]
    return torch.cat([classifier.features(window) for window in windows]).numpy()
