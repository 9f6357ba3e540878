"""Are the thoughts used? Sounds made of the true plan of a scene, told in every arm of the ablation, side by side.

Every arm sounds the same scenes from the same noise and sees the same pictures, so what differs is what it was told, and
differences are taken scene by scene.
"""

from collections.abc import Sequence

from pydantic import PositiveInt
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.dimensions.arms import Arm
from prismaudio.dimensions.plan import Plan
from prismaudio.evaluation.benchmark import BenchmarkConfig, Entrant, System, tasks
from prismaudio.evaluation.metrics.bootstrap import Interval
from prismaudio.evaluation.metrics.paired import Chosen, Difference, holm, paired_statistics
from prismaudio.evaluation.metrics.paired import Statistic as OverChosen
from prismaudio.evaluation.report import Saved, SystemReport, aligned, short
from prismaudio.evaluation.scores import STATISTICS, SceneScores, Statistic
from prismaudio.evaluation.sound_classifier import load_classifier
from prismaudio.evaluation.systems import pictures
from prismaudio.generation.options import Options
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.generation.thinking import Job
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.scene import Scene
from prismaudio.types import Audio, Frames

PAPER = (Arm.NONE, Arm.RANDOM, Arm.MONOLITHIC, Arm.DECOMPOSED)
LEFT_OUT = (Arm.WITHOUT_SEMANTIC, Arm.WITHOUT_TEMPORAL, Arm.WITHOUT_AESTHETIC, Arm.WITHOUT_SPATIAL)
COMPARED = ("onset F1", "left-right", "class top-1", "class top-5")
ROUNDS = 2000


class ArmsConfig(Config):
    """Which arms, on which scenes."""

    scenes: BenchmarkConfig = BenchmarkConfig()
    arms: tuple[Arm, ...] = (*PAPER, *LEFT_OUT)
    rounds: PositiveInt = ROUNDS


class Comparison(Config):
    """What all four thoughts are worth beside one other arm, in one figure."""

    arm: Arm
    figure: str
    gain: Interval  # of the decomposed arm over this one, over scenes
    p: float  # two-sided; adjusted for all comparisons of the report (Holm)


class ArmsReport(Saved):
    arms: tuple[SystemReport, ...]
    comparisons: tuple[Comparison, ...]
    settings: ArmsConfig

    def table(self) -> str:
        """Every arm's figures, then what decomposed thoughts gain over each."""
        rows = [["arm", *COMPARED, "N"]]
        rows += [
            [arm.name, *(short(arm.measures[name]) for name in COMPARED), str(arm.decoded)]
            for arm in self.arms
        ]
        gains = [["decomposed over", "figure", "gain [95 %]", "p (Holm)"]]
        gains += [[c.arm.value, c.figure, str(c.gain), f"{c.p:.4f}"] for c in self.comparisons]
        return "\n".join([*aligned(rows), "", *aligned(gains)])


def run_arms(model: VideoToAudio, corpus: Corpus, config: ArmsConfig, options: Options) -> ArmsReport:
    """Sound the scenes in every arm, and compare with the decomposed one, which is always there."""
    arms = tuple(dict.fromkeys([*config.arms, Arm.DECOMPOSED]))
    sounds, classifier = ArmSounds(model, arms, options), load_classifier()
    entrants = {arm: Entrant(arm.value, sounds.of(arm), classifier) for arm in arms}
    for task in tqdm(tasks(corpus, config.scenes, pictures=True), total=config.scenes.count, desc="scenes"):
        for entrant in entrants.values():
            entrant.sound(task)
    return ArmsReport(
        arms=tuple(entrant.report(config.scenes) for entrant in entrants.values()),
        comparisons=tuple(comparisons(entrants, config)),
        settings=config.model_copy(update={"arms": arms}),
    )


class ArmSounds:
    """The sounds of one scene at a time in every arm, made together: the picture is watched once."""

    def __init__(self, model: VideoToAudio, arms: Sequence[Arm], options: Options) -> None:
        self.model, self.arms, self.options = model, arms, options
        self._index = -1
        self._sounds: dict[Arm, Audio] = {}

    def of(self, arm: Arm) -> System:
        """What is heard in `arm`; scenes are asked for one after the other."""

        def system(scene: Scene, frames: Frames | None, plan: Plan, index: int) -> Audio:
            if index != self._index:
                jobs = [Job(pictures(frames), plan=plan, seed=index, arm=arm) for arm in self.arms]
                made = self.model.batch(jobs, **self.options.model_dump())
                self._sounds = {arm: sound.audio for arm, sound in zip(self.arms, made, strict=True)}
                self._index = index
            return self._sounds[arm]

        return system


def comparisons(entrants: dict[Arm, Entrant], config: ArmsConfig) -> list[Comparison]:
    """Decomposed against every other arm, in every compared figure, over the scenes that both sounded."""
    whole = entrants[Arm.DECOMPOSED].scores
    found: list[tuple[Arm, str, Difference]] = []
    for arm, entrant in entrants.items():
        if arm is Arm.DECOMPOSED:
            continue
        both = sorted(whole.keys() & entrant.scores.keys())
        less, more = ([scores[scene] for scene in both] for scores in (entrant.scores, whole))
        for name in COMPARED:
            statistic = STATISTICS[name]
            difference = paired_statistics(
                over(less, statistic), over(more, statistic), len(both), config.rounds, config.scenes.seed
            )
            found.append((arm, name, difference))
    adjusted = holm([difference.p for _, _, difference in found])
    return [
        Comparison(arm=arm, figure=name, gain=difference.interval, p=p)
        for (arm, name, difference), p in zip(found, adjusted, strict=True)
    ]


def over(scores: Sequence[SceneScores], statistic: Statistic) -> OverChosen:
    """The statistic as a function of the numbers of the scenes that it is taken over."""

    def chosen(numbers: Chosen) -> float:
        return statistic([scores[number] for number in numbers])

    return chosen
