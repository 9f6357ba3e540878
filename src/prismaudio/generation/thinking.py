"""From jobs to plans: every film is watched once, and every different wish about it is thought about once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from prismaudio.dimensions.arms import Arm
from prismaudio.dimensions.plan import Plan
from prismaudio.generation.long import Layout
from prismaudio.generation.model import Clip, Model
from prismaudio.generation.options import Options
from prismaudio.generation.pictures import open_film
from prismaudio.generation.prompting import apply_prompt, phrases, renames
from prismaudio.generation.sampling import check_seed
from prismaudio.planning.base import Planner, PlanRequest, frames_of
from prismaudio.stages import Stages
from prismaudio.types import Frames


class Job(NamedTuple):
    """One sound to be made: of which pictures, and with what told beforehand."""

    video: Path | str | Frames
    prompt: str | None = None
    negative_prompt: str | None = None
    plan: Plan | Path | str | None = None
    caption: str | None = None
    seed: int = 0
    hint: str | None = None  # what the user knows of the clip, for its planner
    arm: Arm | None = None  # how much of the thoughts is told; None: as the options say


class Watched(NamedTuple):
    """A job whose pictures were seen and thought about."""

    seen: Any
    plan: Plan
    seconds: float


def ready(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, seeds checked and plans read, each file once: mistakes are told before anything is watched."""
    for job in jobs:
        check_seed(job.seed)
    files = {str(job.plan) for job in jobs if job.plan is not None and not isinstance(job.plan, Plan)}
    plans = {file: Plan.load(Path(file)) for file in sorted(files)}
    return [job._replace(plan=plans.get(str(job.plan), job.plan)) if plans else job for job in jobs]


class Thinker:
    """Watches and thinks for the jobs of one batch; takes that differ in their seed alone share one plan."""

    def __init__(self, model: Model, planner: Planner, options: Options, stages: Stages) -> None:
        self.model, self.planner, self.options, self.stages = model, planner, options, stages
        self._films: dict[tuple[object, ...], tuple[Any, float]] = {}
        self._thoughts: dict[tuple[object, ...], Watched] = {}

    def __call__(self, job: Job) -> Watched:
        """`job` is `ready`: its plan, if it brings one, was read."""
        wish = (_name(job), id(job.plan), job.caption is None, job.prompt, job.negative_prompt, job.hint)
        if wish not in self._thoughts:
            self._thoughts[wish] = self._think(job)
        return self._thoughts[wish]

    def _think(self, job: Job) -> Watched:
        thinking = job.plan is None and job.caption is None
        seen, seconds = self._watch(job, measuring=thinking and self.planner.measures)
        plan = self._plan(job, seen, seconds) if thinking else job.plan
        if not isinstance(plan, Plan):  # a caption speaks for itself
            plan = Plan(duration=seconds)
        return Watched(seen, apply_prompt(plan, job.prompt, job.negative_prompt), seconds)

    def _watch(self, job: Job, *, measuring: bool) -> tuple[Any, float]:
        """What the model saw, and how many seconds of it."""
        if (_name(job), measuring) not in self._films:
            film, wanted = open_film(job.video), self.options.duration
            seconds = film.seconds if wanted is None else min(film.seconds, wanted)
            clip = Clip(seconds, Layout.covering(self.model.frames(seconds)), measuring)
            with self.stages.stage("watch") as report:
                self._films[_name(job), measuring] = self.model.watch(film, clip, report), seconds
        return self._films[_name(job), measuring]

    def _plan(self, job: Job, seen: Any, seconds: float) -> Plan:
        """The planner's thoughts. Words of a prompt replace those of the plan, so then no name is to be avoided yet."""
        video = job.video if isinstance(job.video, Frames) else Path(job.video)
        with self.stages.stage("plan"):
            request = PlanRequest(
                duration=seconds,
                frames=frames_of(video, seconds),
                video=video if isinstance(video, Path) else None,
                evidence=self.model.measure(seen, seconds) if self.planner.measures else None,
                hint=job.hint or "",
                avoid=() if renames(job.prompt) else tuple(phrases(job.negative_prompt)),
                language=self.options.language,
            )
            return self.planner.plan(request)


def _name(job: Job) -> str | int:
    """By which a film is known within a batch."""
    return id(job.video) if isinstance(job.video, Frames) else str(job.video)
