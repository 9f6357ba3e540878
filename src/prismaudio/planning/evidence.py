"""What was measured in the picture: moments and places, which a language model sees less well than it names things.

Shapes: K motion frames, M motion features.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from torch import Tensor

from prismaudio.backends.embedded.motion import FRAME_FEATURES, MotionEncoder
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event
from prismaudio.dimensions.spatial import Place
from prismaudio.dimensions.temporal import Span
from prismaudio.planning.sight import Sight

CUT = MotionEncoder.dim - len(FRAME_FEATURES) + FRAME_FEATURES.index("cut")
UNSURE = 0.5  # confidence below which a name is told as a guess
STANDS = 0.1  # azimuth within which a path is told as one place


class Track(NamedTuple):
    """A thing that moves as if it made a sound."""

    event: Event  # what it may be
    spans: tuple[Span, ...]
    place: Place | None


@dataclass(frozen=True)
class Evidence:
    """Tracks, as the embedded planner wrote them down, and the seconds at which shots change."""

    plan: Plan
    cuts: tuple[float, ...] = ()
    look: Callable[[], Sight] | None = field(default=None, compare=False, repr=False)  # for more than tracks

    @classmethod
    def measured(cls, plan: Plan, motion: Tensor, look: Callable[[], Sight] | None = None) -> Self:
        """plan: of the embedded planner, motion: (K, M) that it was made of."""
        cuts = (motion[:, CUT] > 0.5).nonzero()[:, 0].tolist()
        return cls(plan, tuple(k / MotionEncoder.fps for k in cuts), look)

    def tracks(self) -> list[Track]:
        """The strongest first."""
        places = {place.event: place for place in self.plan.spatial.places}
        spans = self.plan.temporal.spans
        return [
            Track(event, tuple(span for span in spans if span.event == event.id), places.get(event.id))
            for event in self.plan.semantic.events
        ]

    def told(self) -> str:
        """A line for each measurement, for a model to read; '' if nothing was measured."""
        lines = [line for track in self.tracks() for line in _lines(track)]
        if self.cuts:
            lines.append(f"- the shot changes at {_seconds(self.cuts)}")
        return "\n".join(lines)


def _lines(track: Track) -> list[str]:
    guess = "perhaps " if track.event.confidence < UNSURE else ""
    where = f", azimuth {_path(track.place)}" if track.place else ""
    return [f"- {_moments(span)}{where}: {guess}{track.event.sound}" for span in track.spans]


def _moments(span: Span) -> str:
    if span.hits:
        return f"something strikes at {_seconds(span.hits)}"
    return f"something moves from {span.onset:.2f} to {span.offset:.2f} s"


def _path(place: Place) -> str:
    azimuths = [key.azimuth for key in place.keys]
    if max(azimuths) - min(azimuths) < STANDS:
        return f"{sum(azimuths) / len(azimuths):.2f}"
    return ", ".join(f"{key.azimuth:.2f} at {key.time:.2f} s" for key in place.keys)


def _seconds(moments: Iterable[float]) -> str:
    return ", ".join(f"{moment:.2f}" for moment in moments) + " s"
