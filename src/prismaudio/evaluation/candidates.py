"""Is the best of several takes better? On scenes whose truth is known, by the judges that chose it and by others.

The judges that choose are sure to like what they chose. Whether it is better shows in what they did not hear: the truth
of the scene, a network that names sounds, and measures without weights. Every difference is taken scene by scene, between
the chosen take and the mean of all: what a take would be worth that nobody chose.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from tqdm import tqdm

from prismaudio.backends.base import Sounds
from prismaudio.backends.embedded.interaural import InterauralJudge
from prismaudio.config import Config
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.scoring import Panel, Weights, balanced
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.benchmark import BenchmarkConfig, Task, tasks, true_sound, usable
from prismaudio.evaluation.metrics import proxy_quality, proxy_spatial, proxy_sync
from prismaudio.evaluation.metrics.bootstrap import Interval
from prismaudio.evaluation.metrics.direction import directions
from prismaudio.evaluation.metrics.onsets import score_onsets
from prismaudio.evaluation.metrics.paired import holm, paired_means
from prismaudio.evaluation.report import Saved, aligned
from prismaudio.evaluation.scores import labels
from prismaudio.evaluation.sound_classifier import likeliest, load_classifier
from prismaudio.evaluation.systems import pictures
from prismaudio.generation.candidates import BALANCED, judge_takes, ranking
from prismaudio.generation.cards import FIGURES, TOTAL, Rated, Rules
from prismaudio.generation.options import Options
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.generation.thinking import Job
from prismaudio.media.audio import resample
from prismaudio.models.sound_classifier import SAMPLE_RATE, SoundClassifier, classifier_mel
from prismaudio.planning.base import seen_through
from prismaudio.stage.corpus import Corpus
from prismaudio.types import Audio

ROUNDS = 10_000
SURE = 0.05  # adjusted p below which a gain is marked
WAYS = (*FIGURES, BALANCED)  # to choose by
LOWER_IS_BETTER = ("azimuth error",)

Figures = dict[str, float]  # of one take; NaN where it does not apply
Scene = Sequence[Figures]  # its takes


class CandidatesConfig(Config):
    """Which scenes, how many takes of each, and how they are told."""

    scenes: BenchmarkConfig = BenchmarkConfig(count=24)
    candidates: int = Field(8, ge=2)
    from_picture: bool = Field(False, description="let the planner think, instead of telling the true plan")
    weights: Weights = Weights()
    rounds: PositiveInt = ROUNDS


class Gain(Config):
    """What choosing by one figure does to another."""

    chosen_by: str
    figure: str
    single: float  # mean over all takes, in `scenes`
    chosen: float
    gain: Interval  # chosen - single
    p: float  # two-sided; adjusted for all figures of this choice (Holm)
    scenes: int

    def __str__(self) -> str:
        """Marked if it is sure."""
        return f"{self.gain.value:+.3f}{'*' * (self.p < SURE)}"


class CandidatesReport(Saved):
    gains: tuple[Gain, ...]
    takes: tuple[tuple[Figures, ...], ...]  # of every scene, to choose again by other weights
    rules: Rules
    settings: CandidatesConfig
    options: Options
    made_by: dict[str, str]
    failures: dict[int, str] = {}  # scene -> why it was not sounded

    def by(self, figure: str) -> list[Gain]:
        return [gain for gain in self.gains if gain.chosen_by == figure]

    def table(self) -> str:
        """The choice by total in full, then the gains of every choice."""
        count = self.settings.candidates
        rows = [["chosen by total", "one take", f"best of {count}", "gain [95 %]", "p (Holm)", "scenes"]]
        for g in self.by(TOTAL):
            figures = [f"{g.single:.3f}", f"{g.chosen:.3f}", str(g.gain), f"{g.p:.4f}", str(g.scenes)]
            rows.append([named(g.figure), *figures])
        wide = [["gain, chosen by", *WAYS]]
        for figure in dict.fromkeys(gain.figure for gain in self.gains):
            found = {gain.chosen_by: gain for gain in self.gains if gain.figure == figure}
            cells = [str(found[by]) if by in found else "-" for by in WAYS]
            wide.append([named(figure), *cells])
        told = "from the picture" if self.settings.from_picture else "from the true plan"
        return "\n".join(
            [
                *aligned(rows),
                "",
                *aligned(wide),
                "",
                f"* p < {SURE} (Holm, over the figures of one choice). Sounds {told}; (-) lower is better.",
                f"{self.rules}",
                *(f"{name}: {judge}" for name, judge in self.rules.judges.items()),
            ]
        )


def named(figure: str) -> str:
    return f"{figure} (-)" if figure in LOWER_IS_BETTER else figure


def run_candidates(
    model: VideoToAudio, corpus: Corpus, panel: Panel, config: CandidatesConfig, options: Options
) -> CandidatesReport:
    """Sound every scene `config.candidates` times, judge and measure all, and compare."""
    measures, scenes, failures = Measures(load_classifier()), [], {}
    for task in tqdm(tasks(corpus, config.scenes, pictures=True), total=config.scenes.count, desc="scenes"):
        try:
            scenes.append(sounded(model, task, panel, config, options, measures))
        except PrismAudioError as error:
            failures[task.index] = str(error)
    return CandidatesReport(
        gains=tuple(gains(scenes, config)),
        takes=tuple(map(tuple, scenes)),
        rules=Rules.of(panel, config.weights),
        settings=config,
        options=options,
        made_by=model.backends(),
        failures=failures,
    )


def sounded(
    model: VideoToAudio,
    task: Task,
    panel: Panel,
    config: CandidatesConfig,
    options: Options,
    measures: "Measures",
) -> Scene:
    """All takes of one scene; no two scenes share a seed."""
    plan, first = None if config.from_picture else task.plan, task.index * config.candidates
    jobs = [Job(pictures(task.frames), plan=plan, seed=first + number) for number in range(config.candidates)]
    takes = model.batch(jobs, **options.model_dump())
    ratings = judge_takes(panel, takes, takes[0].plan, config.weights)
    true = true_sound(task.scene, task.frames, task.plan, task.index)
    return [
        judged(rating) | measures(usable(take.audio, task.plan.duration), task, true)
        for take, rating in zip(takes, ratings, strict=True)
    ]


def judged(rating: Rated) -> Figures:
    """By name of `FIGURES`."""
    figures = {name: rating.figure(name) for name in FIGURES}
    return {name: float("nan") if value is None else value for name, value in figures.items()}


class Measures:
    """What no judge of a panel hears: the truth of a scene, and measures that were trained on nothing or apart."""

    def __init__(self, classifier: SoundClassifier) -> None:
        self.classifier = classifier
        self.ears = InterauralJudge("delay")

    def __call__(self, audio: Audio, task: Task, true: Audio) -> Figures:
        """By name; NaN where the scene has nothing to be measured."""
        off = [abs(event.combined - event.true) for event in directions(audio, task.plan)]
        frames = seen_through(proxy_sync.VIEW, pictures(task.frames), task.plan.duration)
        together = proxy_sync.synchrony(proxy_sync.onset_curve(audio), proxy_sync.motion_curve(frames))
        return {
            "onset F1": score_onsets(audio, task.plan).f1,
            "azimuth error": float(np.mean(off)) if off else float("nan"),
            **self._classes(audio, labels(task.plan)),
            "itd_gcc, true sound": float(
                self.ears.score(Sounds.together([audio]), Sounds.together([true]))[0]
            ),
            "proxy_sync": together.score,
            "proxy_spatial": proxy_spatial.agreement(proxy_spatial.listen(audio), proxy_spatial.listen(true)),
            "proxy_quality": proxy_quality.quality(audio),
        }

    def _classes(self, audio: Audio, wanted: frozenset[str]) -> Figures:
        """Whether the right names come first or among five, and how sure they are; NaN for a scene without names."""
        names = ("class top-1", "class top-5", "class probability")
        if not wanted:
            return dict.fromkeys(names, float("nan"))
        heard = likeliest(self.classifier, audio)
        chances = self.classifier.probabilities(classifier_mel(resample(audio, SAMPLE_RATE).samples))
        sure = sum(float(chances[self.classifier.class_names.index(name)]) for name in wanted)
        hits = [not wanted.isdisjoint(heard[:guesses]) for guesses in (1, 5)]
        return dict(zip(names, [*map(float, hits), sure], strict=True))


def gains(scenes: Sequence[Scene], config: CandidatesConfig) -> list[Gain]:
    """Of every choice in every figure; a scene counts where both a single and the chosen take have the figure."""
    if not scenes:
        return []
    figures = list(scenes[0][0])
    found: list[Gain] = []
    for by in WAYS:
        single = {name: np.array([mean(scene, name) for scene in scenes]) for name in figures}
        picked = [chosen(scene, by, config.weights) for scene in scenes]
        best = {name: np.array([np.nan if t is None else t[name] for t in picked]) for name in figures}
        found += _compared(by, single, best, config)
    return found


def _compared(
    by: str,
    single: Mapping[str, NDArray[np.float64]],
    best: Mapping[str, NDArray[np.float64]],
    config: CandidatesConfig,
) -> list[Gain]:
    differences = {
        name: paired_means(single[name], best[name], config.rounds, config.scenes.seed) for name in single
    }
    adjusted = holm([difference.p for difference in differences.values()])
    rows = []
    for (name, difference), p in zip(differences.items(), adjusted, strict=True):
        both = ~np.isnan(single[name]) & ~np.isnan(best[name])
        if not both.any():
            continue
        rows.append(
            Gain(
                chosen_by=by,
                figure=name,
                single=float(single[name][both].mean()),
                chosen=float(best[name][both].mean()),
                gain=difference.interval,
                p=p,
                scenes=difference.clips,
            )
        )
    return rows


def mean(scene: Scene, figure: str) -> float:
    """Over the takes that have it."""
    values = np.array([take[figure] for take in scene])
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def chosen(scene: Scene, by: str, weights: Weights) -> Figures | None:
    """The take that would be kept; None if no take can be judged."""
    if by == BALANCED:
        rewards = torch.tensor([[take[name] for name in DIMENSIONS] for take in scene])
        values = balanced(rewards, weights).tolist()
    else:
        values = [take[by] for take in scene]
    figures = [None if np.isnan(value) else value for value in values]
    best = ranking(figures)[0]
    return None if figures[best] is None else scene[best]
