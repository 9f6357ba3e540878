"""Compare systems on held-out scenes of the stage, where the truth is known: when, from where, and what sounds.

Beside the systems stand references: the true sound (the ceiling of every measure), the true sound through the codec
(the ceiling of what is generated through it), and every system judged against another scene's truth (the floor).

Shapes: N samples.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from pydantic import Field, PositiveInt
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.codec_report import codec_report, round_trip
from prismaudio.evaluation.metrics.onsets import DETECTOR, TOLERANCE
from prismaudio.evaluation.report import Report, SystemReport
from prismaudio.evaluation.scores import SceneScores, labels, per_class, score, summarise
from prismaudio.evaluation.sound_classifier import chance_of_hit, load_classifier
from prismaudio.media.audio import fit_length
from prismaudio.models.codec import Codec
from prismaudio.models.sound_classifier import SoundClassifier
from prismaudio.stage.corpus import SAMPLE_RATE, Corpus, Split
from prismaudio.stage.mix import mix
from prismaudio.stage.render import render
from prismaudio.stage.scene import Scene, StageConfig, draw_scene
from prismaudio.training.train_classifier import accuracy, labelled_mels
from prismaudio.types import Audio, Frames

System = Callable[[Scene, Frames | None, Plan, int], Audio]  # scene, its pictures, the true plan, its number
TRUTH, CODEC = "truth", "codec"
PICTURE_SIZE = (320, 224)
LENGTH_TOLERANCE = 0.1  # seconds by which a sound may miss its scene


class UnusableSound(PrismAudioError):
    """A system gave something that cannot be measured."""


class NameTaken(PrismAudioError):
    """A system that would be confused with a reference."""


class BenchmarkConfig(Config):
    """Which scenes, and how sure the figures are."""

    count: int = Field(200, ge=2)
    seed: int = 2025
    split: Split = "test"
    pictures: bool = Field(True, description="draw the pictures; False for systems that need none")
    recordings: PositiveInt = Field(120, description="at most so many for the report on the codec")
    bootstrap_rounds: PositiveInt = 1000
    stage: StageConfig = StageConfig()


@dataclass(frozen=True, eq=False)
class Task:
    """One scene to be sounded."""

    index: int
    scene: Scene
    plan: Plan  # the truth
    frames: Frames | None

    @property
    def struck_only(self) -> bool:
        return all(source.mode == "struck" for source in self.scene.sources)


def run_stage_benchmark(
    systems: Mapping[str, System],
    corpus: Corpus,
    config: BenchmarkConfig | None = None,
    *,
    codec: Codec | None = None,
    classifier: SoundClassifier | None = None,
    made_by: Mapping[str, Mapping[str, str]] | None = None,
) -> Report:
    """Let every system sound the same scenes, and measure.

    With a `codec` it becomes a reference of its own. `made_by` tells of each system which backends made its sound.
    A system that raises a `PrismAudioError` misses that scene; the report counts and explains.
    """
    config, classifier = config or BenchmarkConfig(), classifier or load_classifier()
    references = {TRUTH: true_sound} if codec is None else {TRUTH: true_sound, CODEC: through(codec)}
    if taken := references.keys() & systems.keys():
        raise NameTaken(f"a system is named {', '.join(taken)}, as a reference is; give it another name")
    entrants = [Entrant(name, system, classifier) for name, system in {**references, **systems}.items()]
    targets = []
    for task in tqdm(tasks(corpus, config, pictures=bool(systems)), total=config.count):
        targets.append(labels(task.plan))
        for entrant in entrants:
            entrant.sound(task)
    return Report(
        systems=tuple(report for entrant in entrants for report in entrant.reports(config)),
        chance={
            f"class top-{k}": float(
                np.mean([chance_of_hit(k, wanted, len(classifier.class_names)) for wanted in targets])
            )
            for k in (1, 5)
        },
        judge_accuracy=accuracy(classifier, labelled_mels(corpus, config.split)),
        reconstruction=None
        if codec is None
        else codec_report(codec, corpus, config.split, config.recordings),
        settings={
            **config.model_dump(mode="json"),
            "onset_tolerance_s": TOLERANCE,
            "onset_detector": asdict(DETECTOR),
            "torch": torch.__version__,
        },
        made_by={name: dict(parts) for name, parts in (made_by or {}).items()},
    )


def tasks(corpus: Corpus, config: BenchmarkConfig, *, pictures: bool) -> Iterator[Task]:
    """The scenes of the benchmark, drawn one at a time."""
    for index in range(config.count):
        scene = draw_scene(config.seed, index, config.split, corpus, config.stage)
        yield Task(
            index,
            scene,
            scene.plan(corpus),
            render(scene, *PICTURE_SIZE) if pictures and config.pictures else None,
        )


class Entrant:
    """A system on its way through the scenes: what it scored, and what it would score in the wrong places.

    Wrong is the scene after the one a sound was made for; the last sound is judged in the first scene.
    """

    def __init__(self, name: str, system: System, classifier: SoundClassifier) -> None:
        self.name = name
        self.system = system
        self.classifier = classifier
        self.scores: dict[int, SceneScores] = {}  # by the number of the scene
        self.shuffled: list[SceneScores] = []
        self.failures: dict[int, str] = {}
        self.seconds = 0.0
        self.first: Task | None = None
        self.previous: Audio | None = None

    def sound(self, task: Task) -> None:
        """Make the sound of one scene and judge it."""
        self._judge_in_wrong_place(task)
        self.first = self.first or task
        self.previous = None
        start = time.perf_counter()
        try:
            audio = self.system(task.scene, task.frames, task.plan, task.index)
            self.seconds += time.perf_counter() - start
            self.previous = usable(audio, task.plan.duration)
        except PrismAudioError as error:
            self.failures[task.index] = str(error)
            return
        self.scores[task.index] = score(
            self.previous, task.plan, self.classifier, struck_only=task.struck_only
        )

    def reports(self, config: BenchmarkConfig) -> list[SystemReport]:
        """Call once, after the last scene: the system's own report, and that of its sounds in wrong places."""
        if self.first is not None:
            self._judge_in_wrong_place(self.first)
        return [self.report(config), self._report(f"{self.name}, shuffled", self.shuffled, config)]

    def report(self, config: BenchmarkConfig) -> SystemReport:
        """The system's own."""
        return self._report(self.name, list(self.scores.values()), config)

    def _judge_in_wrong_place(self, task: Task) -> None:
        if self.previous is not None:
            audio = fit_length(self.previous, task.plan.duration)
            self.shuffled.append(score(audio, task.plan, self.classifier, struck_only=task.struck_only))

    def _report(self, name: str, scores: list[SceneScores], config: BenchmarkConfig) -> SystemReport:
        return SystemReport(
            name=name,
            measures=summarise(scores, config.bootstrap_rounds, config.seed),
            decoded=len(scores),
            struck_scenes=sum(scene.struck_only for scene in scores),
            placed_events=sum(len(scene.directions) for scene in scores),
            seconds_per_scene=self.seconds / config.count,
            classes=per_class(scores),
            failures=self.failures,
        )


def usable(audio: Audio, duration: float) -> Audio:
    """`audio` exactly as long as its scene, or `UnusableSound`."""
    if audio.samples.ndim != 2 or audio.samples.shape[0] != 2:
        raise UnusableSound(f"a sound of shape {tuple(audio.samples.shape)}; give (2, samples)")
    if audio.sample_rate != SAMPLE_RATE:
        raise UnusableSound(f"a sound at {audio.sample_rate} Hz; give {SAMPLE_RATE}")
    if abs(audio.duration - duration) > LENGTH_TOLERANCE:
        raise UnusableSound(f"a sound of {audio.duration:.2f} s for a scene of {duration:.2f} s")
    if not torch.isfinite(audio.samples).all():
        raise UnusableSound("a sound with samples that are no numbers")
    return fit_length(audio, duration)


def true_sound(scene: Scene, frames: Frames | None, plan: Plan, index: int) -> Audio:
    """The sound of the scene as the stage mixes it. A `System`."""
    return Audio(torch.from_numpy(mix(scene)), SAMPLE_RATE)


def through(codec: Codec) -> System:
    """The true sound, encoded and decoded."""

    def system(scene: Scene, frames: Frames | None, plan: Plan, index: int) -> Audio:
        return Audio(round_trip(codec, torch.from_numpy(mix(scene))), SAMPLE_RATE)

    return system
