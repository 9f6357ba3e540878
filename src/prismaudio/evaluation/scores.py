"""From one sound to its scores, and from the scores of many scenes to the figures of a system."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from prismaudio.dimensions.plan import Plan
from prismaudio.evaluation.metrics.bootstrap import bootstrap
from prismaudio.evaluation.metrics.direction import Direction, correlation, directions
from prismaudio.evaluation.metrics.onsets import Matches, score_onsets
from prismaudio.evaluation.report import ClassScore, Measures
from prismaudio.evaluation.sound_classifier import likeliest
from prismaudio.models.sound_classifier import SoundClassifier
from prismaudio.types import Audio


class SceneScores(NamedTuple):
    """One sound measured against the truth of its scene."""

    onsets: Matches
    struck_only: bool
    directions: list[Direction]
    classes: frozenset[str]  # that sound in the scene, on screen or off
    heard: tuple[str, ...]  # five classes, surest first

    def hit(self, guesses: int) -> bool:
        """Whether any class of the scene is among the first `guesses`."""
        return not self.classes.isdisjoint(self.heard[:guesses])


Statistic = Callable[[Sequence[SceneScores]], float]


def score(audio: Audio, plan: Plan, classifier: SoundClassifier, *, struck_only: bool) -> SceneScores:
    """Measure `audio` against `plan`."""
    return SceneScores(
        onsets=score_onsets(audio, plan),
        struck_only=struck_only,
        directions=directions(audio, plan),
        classes=labels(plan),
        heard=likeliest(classifier, audio),
    )


def labels(plan: Plan) -> frozenset[str]:
    """The classes that sound in a scene; what only lies under it is not asked for."""
    return frozenset(event.label for event in plan.semantic.events if event.label)


def onset_f1(scenes: Sequence[SceneScores]) -> float:
    return Matches.pooled([scene.onsets for scene in scenes]).f1 if scenes else float("nan")


def struck_onset_f1(scenes: Sequence[SceneScores]) -> float:
    return onset_f1([scene for scene in scenes if scene.struck_only])


def left_right(of: Callable[[Direction], float]) -> Statistic:
    """Correlation of heard and true azimuth over all events of all scenes."""

    def statistic(scenes: Sequence[SceneScores]) -> float:
        events = [event for scene in scenes for event in scene.directions]
        return correlation([event.true for event in events], [of(event) for event in events])

    return statistic


def class_hits(guesses: int) -> Statistic:
    """Share of scenes in which one of the first `guesses` is right."""
    return lambda scenes: float(np.mean([scene.hit(guesses) for scene in scenes])) if scenes else float("nan")


STATISTICS: Mapping[str, Statistic] = {
    "onset F1": onset_f1,
    "struck onset F1": struck_onset_f1,
    "left-right": left_right(lambda event: event.combined),
    "by level": left_right(lambda event: event.level),
    "by delay": left_right(lambda event: event.delay),
    "class top-1": class_hits(1),
    "class top-5": class_hits(5),
}


def summarise(scenes: Sequence[SceneScores], rounds: int, seed: int) -> Measures:
    """Every statistic of one system with its interval over scenes."""
    return {name: bootstrap(scenes, statistic, rounds, seed) for name, statistic in STATISTICS.items()}


def per_class(scenes: Sequence[SceneScores]) -> dict[str, ClassScore]:
    """How often each class itself is among the five likeliest, by name."""
    found = {}
    for name in sorted(frozenset().union(*(scene.classes for scene in scenes))):
        hits = [name in scene.heard for scene in scenes if name in scene.classes]
        found[name] = ClassScore(scenes=len(hits), top5=float(np.mean(hits)))
    return found
