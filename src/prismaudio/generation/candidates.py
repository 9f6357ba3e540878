"""Several takes of one video, judged and ranked: the best are kept, each with a card that says why.

What choosing gains in the judges it chose by says nothing of others: `prismaudio evaluate candidates` measures both.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Self

import torch
from pydantic import PositiveInt, model_validator

from prismaudio.backends.availability import NotAvailable
from prismaudio.config import Config
from prismaudio.dimensions.plan import DIMENSIONS, Plan
from prismaudio.dimensions.scoring import Panel, Weights, balanced
from prismaudio.errors import PrismAudioError
from prismaudio.generation.cards import (
    TOTAL,
    Figure,
    Rated,
    Rules,
    Saved,
    mean_rewards,
    missing_reasons,
    overview,
    rated,
)
from prismaudio.generation.judging import NoJudge, case_of, levelled
from prismaudio.generation.many import Failure
from prismaudio.generation.pictures import open_film
from prismaudio.generation.pipeline import Generation, VideoToAudio
from prismaudio.generation.thinking import Job
from prismaudio.stages import Progress, Stages

By = Literal["total", "balanced", "semantic", "temporal", "aesthetic", "spatial"]
BALANCED = "balanced"  # rewards standardised over the candidates
NOBODY = NotAvailable("a dimension", "nobody was asked")


class Choice(Config):
    """How many takes are made, and which of them are kept."""

    candidates: PositiveInt = 8
    keep: PositiveInt = 1
    by: By = "total"
    weights: Weights = Weights()

    @model_validator(mode="after")
    def _enough_are_made(self) -> Self:
        if self.keep > self.candidates:
            raise ValueError(f"{self.keep} sounds are to be kept of {self.candidates}; make more candidates")
        return self


class Card(Rated, Saved):
    """Why a sound was kept."""

    seed: int
    rank: PositiveInt  # 1 is the best
    candidates: PositiveInt  # of so many
    chosen_by: By
    mean: dict[str, Figure]  # of all candidates: what one take would be worth
    rules: Rules
    made_by: dict[str, str]  # what for -> the model that did it
    notes: tuple[str, ...] = ()


class Kept(NamedTuple):
    """A sound that was chosen."""

    sound: Generation
    card: Card


@dataclass(frozen=True, eq=False)
class Best:
    """The chosen sounds of a video, best first, and what the others were worth."""

    kept: tuple[Kept, ...]
    ratings: Mapping[int, Rated]  # seed -> of all candidates, best first
    notes: tuple[str, ...]

    def table(self) -> str:
        """A line for every candidate, best first; those that were kept are marked."""
        marks = ["*" if rank < len(self.kept) else " " for rank in range(len(self.ratings))]
        names = [f"{mark} {seed}" for mark, seed in zip(marks, self.ratings, strict=True)]
        return overview(names, list(self.ratings.values()), "  seed")


def best_of(
    pipeline: VideoToAudio,
    job: Job,
    panel: Panel,
    choice: Choice | None = None,
    *,
    progress: Progress | None = None,
    **choices: Any,
) -> Best:
    """Takes of one video from `job.seed` on, made together, judged together; `choices` as of `VideoToAudio.batch`.

    `NoJudge` if nobody in the panel can say what is to be chosen by: before anything is made.
    """
    choice = choice or Choice()
    check_panel(panel, choice)
    jobs = [job._replace(seed=job.seed + number) for number in range(choice.candidates)]
    made = pipeline.batch(jobs, progress=progress, **choices)
    stages = Stages(progress)
    with stages.stage("judge"):
        ratings = judge_takes(panel, made, asked_for(made[0].plan, job), choice.weights)
    timings = made[0].timings | stages.timings
    takes = [replace(take, timings=timings) for take in made]
    order = ranking(figures_by(ratings, choice))
    told = remarks([ratings[number] for number in order], choice)
    rules, mean = Rules.of(panel, choice.weights), mean_rewards(ratings)
    kept = [
        Kept(
            takes[number],
            Card(
                **ratings[number].model_dump(),
                seed=takes[number].seed,
                rank=rank,
                candidates=choice.candidates,
                chosen_by=choice.by,
                mean=mean,
                rules=rules,
                made_by=takes[number].backends,
                notes=told,
            ),
        )
        for rank, number in enumerate(order[: choice.keep], start=1)
    ]
    ranked = {takes[number].seed: ratings[number] for number in order}
    return Best(tuple(kept), ranked, told)


def best_of_many(
    pipeline: VideoToAudio, jobs: Sequence[Job], panel: Panel, choice: Choice | None = None, **choices: Any
) -> Iterator[Best | Failure]:
    """One result per job, in their order; a video that cannot be sounded does not keep the others from it."""
    for job in jobs:
        try:
            yield best_of(pipeline, job, panel, choice, **choices)
        except PrismAudioError as error:
            yield Failure(job, error)


def check_panel(panel: Panel, choice: Choice) -> None:
    """Raise unless somebody can say what is to be chosen by."""
    counting = [name for name in DIMENSIONS if getattr(choice.weights, name)]
    wanted = counting if choice.by in (TOTAL, BALANCED) else [choice.by]
    asked = {name: panel.members.get(name, NOBODY) for name in wanted}
    if all(isinstance(member, NotAvailable) for member in asked.values()):
        why = "; ".join(f"{name} is {member}" for name, member in asked.items())
        raise NoJudge(
            f"nobody can choose by {choice.by}: {why}; name other judges, or choose by something else"
        )


def judge_takes(panel: Panel, takes: Sequence[Generation], plan: Plan, weights: Weights) -> list[Rated]:
    """Takes of one film, judged by `plan`."""
    film = open_film(takes[0].video)
    case = case_of(panel, film, plan, takes[0].audio.duration)
    return rated(panel.judge(levelled([take.audio for take in takes]), case), weights)


def asked_for(plan: Plan, job: Job) -> Plan:
    """What the sound was to be like: the plan, or the caption that was told instead of it."""
    if job.caption is None:
        return plan
    return plan.model_copy(update={"semantic": plan.semantic.model_copy(update={"prose": job.caption})})


def figures_by(ratings: Sequence[Rated], choice: Choice) -> list[Figure]:
    """What decides, of every sound."""
    if choice.by != BALANCED:
        return [rating.figure(choice.by) for rating in ratings]
    rows = [[nan_if_none(rating.rewards[name]) for name in DIMENSIONS] for rating in ratings]
    figures = balanced(torch.tensor(rows), choice.weights).tolist()
    return [None if math.isnan(figure) else figure for figure in figures]


def nan_if_none(figure: Figure) -> float:
    return math.nan if figure is None else figure


def ranking(figures: Sequence[Figure]) -> list[int]:
    """Numbers of the sounds, best first; of equal ones the first; what has no figure comes last."""
    return sorted(
        range(len(figures)), key=lambda n: (figures[n] is None, -(figures[n] or 0.0))
    )  # sorting is stable


def remarks(ranked: Sequence[Rated], choice: Choice) -> tuple[str, ...]:
    """What a user should know of a choice: that it was none, or a close one; ratings come best first."""
    figures = figures_by(ranked, choice)
    why = "; ".join(f"{name}: {reason}" for name, reason in missing_reasons(ranked).items())
    if all(figure is None for figure in figures):
        return (f"no candidate could be judged ({why}); the first seeds were kept",)
    found = []
    if choice.keep < len(figures) and figures[choice.keep - 1] == figures[choice.keep]:
        equal = sum(figure == figures[choice.keep] for figure in figures)
        found.append(f"{equal} candidates are equally good by {choice.by}; of them the first seeds were kept")
    if unjudged := sum(figure is None for figure in figures):
        found.append(f"{unjudged} of {len(figures)} candidates could not be judged ({why}); they rank last")
    return tuple(found)
