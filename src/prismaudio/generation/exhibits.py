"""Sounds that exist already, brought before a panel: those of videos, or other ones for their pictures.

Shapes: B sounds of one film.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from prismaudio.backends.availability import NotAvailable
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.rewards import PublishedPlaceReward, ReferenceReward
from prismaudio.dimensions.scoring import Panel, Weights
from prismaudio.errors import PrismAudioError
from prismaudio.generation.cards import Rated, Rules, Saved, overview, rated
from prismaudio.generation.judging import NoJudge, case_of, levelled
from prismaudio.generation.pictures import open_film
from prismaudio.generation.prompting import apply_prompt
from prismaudio.media.audio import fit_length, read_audio
from prismaudio.stages import Progress, Stages
from prismaudio.types import Audio

DIFFERENT = 0.1  # seconds by which a sound may miss its picture without a note
Thoughts = Callable[[Path], Plan]  # what the sound of a video should be like


class Exhibit(NamedTuple):
    """A film, and sounds for it."""

    video: Path
    sounds: tuple[Path, ...] = ()  # none: the video's own
    reference: Path | None = None  # a file with its true sound

    @property
    def heard(self) -> tuple[Path, ...]:
        """The files that the sounds are read from."""
        return self.sounds or (self.video,)


class Score(Rated):
    """A sound and what it is worth."""

    video: str
    sound: str
    planner: str  # who wrote what it was judged by
    notes: tuple[str, ...] = ()


class ScoreReport(Saved):
    """All sounds that were judged by one panel."""

    rules: Rules
    scores: tuple[Score, ...]
    failures: dict[str, str] = {}  # video -> why it was not judged

    def table(self) -> str:
        """Every sound in full; of several, one line each at the end."""
        parts = [f"{score.sound}\n{score.table(self.rules)}" for score in self.scores]
        if len(self.scores) > 1:
            parts.append(overview([score.sound for score in self.scores], self.scores, "sound"))
        return "\n\n".join([*parts, str(self.rules)])


def given(plan: Plan, prompt: str = "") -> Thoughts:
    """One plan for every video; words of a prompt replace its own, as in generation."""
    told = apply_prompt(plan, prompt, None)
    return lambda video: told


def score_all(
    exhibits: Sequence[Exhibit],
    panel: Panel,
    thoughts: Thoughts,
    *,
    weights: Weights | None = None,
    duration: float | None = None,
    progress: Progress | None = None,
) -> ScoreReport:
    """All exhibits; one that cannot be read is a failure of the report, and does not keep the others from it.

    weights: of the dimensions in the total. duration: judge only the first so many seconds.
    """
    if any(exhibit.reference for exhibit in exhibits):
        check_comparing(panel)
    weights, stages = weights or Weights(), Stages(progress)
    scores: list[Score] = []
    failures: dict[str, str] = {}
    for exhibit in exhibits:
        try:
            scores += score(exhibit, panel, thoughts, weights, duration, stages)
        except PrismAudioError as error:
            failures[str(exhibit.video)] = str(error)
    return ScoreReport(rules=Rules.of(panel, weights), scores=tuple(scores), failures=failures)


def check_comparing(panel: Panel) -> None:
    """Raise if there is a judge of direction, but one who would not listen to a reference."""
    if compares(panel) or isinstance(panel.members.get("spatial"), NotAvailable):
        return
    raise NoJudge("no judge of this panel listens to a reference; write --judge spatial=gcc, or leave it out")


def compares(panel: Panel) -> bool:
    """Whether its judge of direction listens to the true sound."""
    return isinstance(panel.members.get("spatial"), (ReferenceReward, PublishedPlaceReward))


def score(
    exhibit: Exhibit,
    panel: Panel,
    thoughts: Thoughts,
    weights: Weights,
    duration: float | None,
    stages: Stages,
) -> list[Score]:
    """Its sounds, judged together over the length of the picture, or over its first `duration` seconds.

    A sound that ends before the picture is silent from there on, and a note says so.
    """
    film = open_film(exhibit.video)
    seconds = film.seconds if duration is None else min(film.seconds, duration)
    read = [read_audio(path) for path in exhibit.heard]
    reference = None if exhibit.reference is None else fit_length(read_audio(exhibit.reference), seconds)
    plan = thoughts(exhibit.video)
    with stages.stage("judge"):
        case = case_of(panel, film, plan, seconds, reference)
        verdict = panel.judge(levelled([fit_length(audio, seconds) for audio in read]), case)
    return [
        Score(
            **rating.model_dump(),
            video=str(exhibit.video),
            sound=str(path),
            planner=plan.provenance.planner,
            notes=notes(audio, film.seconds, seconds),
        )
        for path, audio, rating in zip(exhibit.heard, read, rated(verdict, weights), strict=True)
    ]


def notes(audio: Audio, film: float, judged: float) -> tuple[str, ...]:
    """What a user may want to know of a sound for `film` seconds of picture, of which `judged` count."""
    found = []
    if audio.duration < judged - DIFFERENT:
        found.append(
            f"it ends {judged - audio.duration:.2f} s before the picture: there it was judged as silent"
        )
    if audio.duration > film + DIFFERENT:
        found.append(f"it is {audio.duration - film:.2f} s longer than the picture: the rest was not judged")
    left, right = audio.samples
    if torch.equal(left, right) and bool(left.any()):
        found.append("both ears hear the same: it comes from the middle")
    return tuple(found)
