"""Figures that need no judge of synchrony or place, because the manifest's plans tell what really happened."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.benchmark import usable
from prismaudio.evaluation.canvas.manifest import Manifest
from prismaudio.evaluation.metrics.bootstrap import bootstrap
from prismaudio.evaluation.scores import SceneScores, Statistic, class_hits, left_right, onset_f1, score
from prismaudio.evaluation.sound_classifier import load_classifier
from prismaudio.evaluation.suite.gather import Reading, read_sound
from prismaudio.evaluation.suite.metric import Better
from prismaudio.evaluation.suite.report import Figure
from prismaudio.media.audio import resample
from prismaudio.stage.corpus import SAMPLE_RATE


def azimuth_error(scenes: Sequence[SceneScores]) -> float:
    """Mean distance of heard and true azimuth over all events that sound alone; the screen is 2 wide."""
    events = [event for scene in scenes for event in scene.directions]
    return float(np.mean([abs(event.combined - event.true) for event in events])) if events else float("nan")


MEASURES: Mapping[str, tuple[Statistic, str, Better]] = {  # name -> what it is, its unit, what is better
    "onset F1": (onset_f1, "at 80 ms", "higher"),
    "azimuth error": (azimuth_error, "-1 to 1 across the screen", "lower"),
    "left-right": (left_right(lambda event: event.combined), "correlation", "higher"),
    "class top-1": (class_hits(1), "share of clips", "higher"),
    "class top-5": (class_hits(5), "share of clips", "higher"),
}
ROUNDS = 1000


def score_sounds(manifest: Manifest, sounds: Mapping[str, Path]) -> dict[str, SceneScores]:
    """id -> what was heard of its sound; sounds that are unreadable or of another length are left out."""
    classifier = load_classifier()
    found = {}
    for entry in tqdm(manifest.entries, desc="truth", disable=None):
        if entry.id not in sounds or entry.plan is None:
            continue
        plan = manifest.plan_of(entry, 0.0)
        assert plan is not None
        try:
            audio = resample(read_sound(sounds[entry.id], Reading()), SAMPLE_RATE)
            heard = usable(audio, plan.duration)
        except PrismAudioError:
            continue  # the suite counts it, with the reason
        found[entry.id] = score(heard, plan, classifier, struck_only=all(s.hits for s in plan.temporal.spans))
    return found


def truth_figures(scores: Sequence[SceneScores], seed: int) -> dict[str, Figure]:
    """Every measure with its interval over clips."""
    figures = {}
    for name, (statistic, unit, better) in MEASURES.items():
        value, low, high = bootstrap(scores, statistic, ROUNDS, seed)
        if np.isnan(value):
            figures[name] = Figure(unit=unit, better=better, reason="too few clips")
            continue
        interval = {"low": None, "high": None} if len(scores) < 2 else {"low": low, "high": high}
        figures[name] = Figure(value=value, unit=unit, better=better, clips=len(scores), **interval)
    return figures
