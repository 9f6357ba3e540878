"""A teacher: a planner, and what it is asked about every clip alike."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from prismaudio.backends.pretrained.asking import Answer
from prismaudio.dimensions.plan import Plan
from prismaudio.media.video import probe
from prismaudio.planning import wire
from prismaudio.planning.asked import DIGITS, AskedPlanner
from prismaudio.planning.base import ENGLISH, Planner, PlannerFailed, PlanRequest, frames_of
from prismaudio.planning.caption import CaptionPlanner
from prismaudio.planning.evidence import Evidence
from prismaudio.planning.fallback import Fallback
from prismaudio.planning.written import PlansBeside, beside

MILLION = 1e6


class Prices(NamedTuple):
    """Of a million tokens, in any currency."""

    read: float
    written: float

    def of(self, answers: Sequence[Answer]) -> float:
        read, written = sum(answer.read for answer in answers), sum(answer.written for answer in answers)
        return (read * self.read + written * self.written) / MILLION


@dataclass(frozen=True)
class Teacher:
    """Who is asked, and what about every clip. `measure`: a video, seconds -> what is measured in it."""

    planner: Planner
    measure: Callable[[Path, float], Evidence]
    hint: str = ""
    avoid: tuple[str, ...] = ()
    language: str = ENGLISH
    longest: float | None = None  # seconds of a video that are looked at
    seed: int = 0
    prices: Prices | None = None

    def __post_init__(self) -> None:
        if isinstance(self.planner, Fallback):
            raise PlannerFailed(
                "a teacher speaks for itself; leave the fallback out, failures are tried again"
            )

    @property
    def name(self) -> str:
        """ "gemini:gemini-2.5-pro" """
        planner = self.planner
        return f"{planner.name}:{planner.seer.model}" if isinstance(planner, AskedPlanner) else planner.name

    def request(self, video: Path) -> PlanRequest:
        """What is asked about a clip, before anything is measured in it."""
        seconds = probe(video).duration
        seconds = seconds if self.longest is None else min(seconds, self.longest)
        return PlanRequest(
            duration=seconds,
            frames=frames_of(video, seconds),
            video=video,
            hint=self.hint,
            avoid=self.avoid,
            language=self.language,
            seed=self.seed,
        )

    def prompt(self, request: PlanRequest) -> str:
        """A hash of all that decides the answer, but for the clip itself."""
        asked = [self.hint, self.avoid, self.language, self.seed, request.duration, *self._own(request)]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:DIGITS]

    def _own(self, request: PlanRequest) -> list[str | bool | None]:
        planner = self.planner
        if isinstance(planner, AskedPlanner):
            return [planner.words(request), planner.evidence, planner.footage, planner.listening]
        if isinstance(planner, PlansBeside) and request.video is not None:
            return [beside(request.video).read_text(encoding="utf-8", errors="replace")]
        words = planner.text if isinstance(planner, CaptionPlanner) else ""
        return [words, version("prismaudio")]

    def answer(self, request: PlanRequest) -> tuple[Plan, Sequence[Answer]]:
        """A plan that does not contradict itself, and what the model said on the way to it."""
        if self.planner.measures and request.video is not None:
            request = replace(request, evidence=self.measure(request.video, request.duration))
        if isinstance(self.planner, AskedPlanner):
            return self.planner.ask(request)
        plan = self.planner.plan(request)
        if wrong := wire.contradictions(plan):
            raise PlannerFailed(f"the plan contradicts itself: {wrong[0]}")
        return plan, ()
