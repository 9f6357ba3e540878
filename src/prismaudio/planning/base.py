"""What every planner promises: a request that says what may be known of a clip, and a plan of its sound."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.media.preprocess import View
from prismaudio.media.video import read_views
from prismaudio.planning.evidence import Evidence
from prismaudio.types import Frames

ENGLISH = "English"


class PlannerFailed(PrismAudioError):
    """No plan, or none that can be used."""


@dataclass(frozen=True)
class PlanRequest:
    """One clip, and what its sound is to be like. Planners take what they can use and note what they cannot."""

    duration: float  # seconds
    frames: Callable[[View], Frames]  # the whole clip, seen through a view
    video: Path | None = None  # the file, if there is one
    evidence: Evidence | None = None  # there, if the planner `measures`
    hint: str = ""  # what the user knows of the clip
    avoid: tuple[str, ...] = ()  # what must not be heard
    language: str = ENGLISH  # of the words of the plan
    seed: int = 0


class Planner(Protocol):
    """Writes the four thoughts about a clip."""

    @property
    def name(self) -> str: ...

    @property
    def measures(self) -> bool:
        """Whether it wants the evidence, for which the embedded networks must watch the clip."""
        ...

    def plan(self, request: PlanRequest) -> Plan:
        """A signed plan; `PlannerFailed` if there is none."""
        ...


def frames_of(video: Path | Frames, seconds: float) -> Callable[[View], Frames]:
    """The first `seconds` of a file or of pictures in memory, through any view."""
    if isinstance(video, Path):
        return lambda view: read_views(video, {"planner": view}, duration=seconds)["planner"]
    return lambda view: seen_through(view, video, seconds)


def seen_through(view: View, frames: Frames, seconds: float) -> Frames:
    """`frames` at the rate and size of `view`; the last one is held if they end before."""
    count = max(1, int(view.fps * seconds + 1e-6))
    shown = np.minimum((np.arange(count) + 0.5) * frames.fps / view.fps, len(frames.images) - 1).astype(int)
    settled = view.settled(frames.images.shape[2], frames.images.shape[1])
    return Frames(np.stack([settled(frames.images[k]) for k in shown]), view.fps)
