"""The kinds of the embedded planner: signal processing, the student that writes, and its words with measured numbers.

Shapes: K motion frames at 25 fps, P pictures at 2 fps.
"""

import math
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from prismaudio.backends.embedded.imagenet import sound_of_image_classes
from prismaudio.backends.embedded.vision import PLACES_FPS
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.dimensions.plan import Plan, Provenance
from prismaudio.dimensions.semantic import Event
from prismaudio.dimensions.spatial import Key, Place
from prismaudio.dimensions.temporal import Span
from prismaudio.errors import UnknownChoice
from prismaudio.models.checkpoints import load_weights, read_config
from prismaudio.planning.agreement import reworded
from prismaudio.planning.base import PlannerFailed
from prismaudio.planning.evidence import Evidence
from prismaudio.planning.language import ALL_NAMES, FPS, understood
from prismaudio.planning.naming import SURE
from prismaudio.planning.perception import PerceptionPlanner
from prismaudio.planning.sight import Sight
from prismaudio.planning.student import Student, Watched

LONGEST_PIECE = 9.6  # seconds that the student writes about at a time
SAME_PLACE = 0.4  # azimuth within which a sound goes on in the next piece
STUDENT = "student.safetensors"
KINDS = ("perception", "student", "combined")
DEFAULT = "perception"


def embedded(kind: str = DEFAULT) -> PerceptionPlanner:
    """The embedded planner of one of `KINDS`."""
    if kind not in KINDS:
        raise UnknownChoice("kind of embedded planner", kind, list(KINDS))
    name = "embedded" if kind == DEFAULT else f"embedded:{kind}"
    if kind == "perception":
        return PerceptionPlanner(name)
    student = load_student()
    if kind == "student":
        return PerceptionPlanner(name, student)

    def combined(evidence: Evidence, duration: float) -> Plan:
        """What was measured in the student's words."""
        plan = reworded(evidence, student(evidence, duration))
        return plan.model_copy(update={"provenance": Provenance(planner="embedded-combined")})

    return PerceptionPlanner(name, combined)


def load_student(path: Path | None = None) -> "StudentWriter":
    """With the weights in `path` (default: those in the package)."""
    path = path or Path(str(files("prismaudio"))) / "assets" / STUDENT
    student = Student(**read_config(path))
    load_weights(path, student)
    return StudentWriter(student.eval())


class StudentWriter:
    """Has the student write; in camera video, names that an ImageNet network is sure of stand for its own."""

    def __init__(self, student: Student) -> None:
        self.student = student

    def __call__(self, evidence: Evidence, duration: float) -> Plan:
        """A plan of `duration` seconds; longer clips are written about piece by piece."""
        if evidence.look is None:
            raise PlannerFailed("the student was shown no pictures; let the embedded networks watch the clip")
        return self.write(evidence.look(), duration)

    def write(self, sight: Sight, duration: float) -> Plan:
        """The same, of what is seen."""
        count = max(1, math.ceil(duration / LONGEST_PIECE - 1e-6))
        edges = [round(i * duration / count * FPS) for i in range(count)]
        edges.append(max(1, math.ceil(duration * FPS - 1e-6)))
        pieces = [
            Piece(
                first / FPS, self._written(shown(sight, first, last), min(duration, last / FPS) - first / FPS)
            )
            for first, last in pairwise(edges)
        ]
        plan = with_sure_names(joined(pieces, duration), sight.image_classes)
        return plan.model_copy(update={"provenance": Provenance(planner="embedded-student")})

    def _written(self, watched: Watched, seconds: float) -> Plan:
        tokens, sureness = self.student.compose(watched)
        plan = understood(tokens, seconds)
        sure = [share for token, share in zip(tokens, sureness, strict=True) if token in ALL_NAMES]
        events = tuple(
            event.model_copy(update={"confidence": round(share, 3)})
            for event, share in zip(plan.semantic.events, sure, strict=False)
        )
        return plan.model_copy(update={"semantic": plan.semantic.model_copy(update={"events": events})})


class Piece(NamedTuple):
    """What is written of a stretch of a clip."""

    start: float  # seconds
    plan: Plan


def picture_rows(start: float, end: float, count: int) -> Tensor:
    """The pictures between two seconds, of `count`; at least one."""
    first = min(int(start * PLACES_FPS), count - 1)
    return torch.arange(first, max(first + 1, min(math.ceil(end * PLACES_FPS), count)))


def shown(sight: Sight, first: int, last: int) -> Watched:
    """Frames `first` to `last` of a clip; its last frame is held where there are fewer."""
    frames = torch.arange(first, last).clamp(max=len(sight.motion) - 1)
    rows = picture_rows(first / FPS, last / FPS, len(sight.names))
    return Watched(
        motion=sight.motion[frames][None],
        read=sight.read[frames][None],
        names=sight.names[rows][None],
        moments=(rows + 0.5) / PLACES_FPS - first / FPS,
    )


def joined(pieces: Sequence[Piece], duration: float) -> Plan:
    """One plan of all pieces; a sound that goes on under the same name at the same place is one event."""
    events: list[Event] = []
    spans: list[Span] = []
    places: dict[str, Place] = {}
    for start, plan in pieces:
        own = {place.event: place for place in plan.spatial.places}
        for event in plan.semantic.events:
            place = _later(own[event.id], start)
            twin = next((old for old in events if _goes_on(old, places[old.id], event, place)), None)
            if twin is None:
                twin = event.model_copy(update={"id": f"s{len(events) + 1}"})
                events.append(twin)
                places[twin.id] = place.model_copy(update={"event": twin.id})
            else:
                keys = (*places[twin.id].keys, *place.keys)
                places[twin.id] = places[twin.id].model_copy(update={"keys": keys})
            spans += [
                _span_later(span, start, twin.id) for span in plan.temporal.spans if span.event == event.id
            ]
    first = pieces[0].plan
    return first.model_copy(
        update={
            "duration": duration,
            "semantic": first.semantic.model_copy(update={"events": tuple(events)}),
            "temporal": first.temporal.model_copy(update={"spans": tuple(spans)}),
            "spatial": first.spatial.model_copy(update={"places": tuple(places.values())}),
        }
    )


def _goes_on(old: Event, before: Place, new: Event, after: Place) -> bool:
    near = abs(before.keys[-1].azimuth - after.keys[0].azimuth) < SAME_PLACE
    return old.label == new.label and near and before.keys[-1].time < after.keys[0].time


def _later(place: Place, start: float) -> Place:
    keys = tuple(Key(round(key.time + start, 3), key.azimuth) for key in place.keys)
    return place.model_copy(update={"keys": keys})


def _span_later(span: Span, start: float, event: str) -> Span:
    return span.model_copy(
        update={
            "event": event,
            "onset": span.onset + start,
            "offset": span.offset + start,
            "hits": tuple(hit + start for hit in span.hits),
        }
    )


def with_sure_names(plan: Plan, image_classes: Tensor) -> Plan:
    """image_classes: (P, 1000). Names that the ImageNet network is sure of, while an event sounds, replace others."""
    words = {word.name: word.words for word in VOCABULARY}
    heard = plan.temporal.heard()
    events = []
    for event in plan.semantic.events:
        rows = picture_rows(*heard[event.id], len(image_classes))
        seen = sound_of_image_classes(image_classes[rows].mean(dim=0))
        if seen is not None and seen[1] >= SURE:
            told = {"sound": words[seen[0]], "label": seen[0], "confidence": round(min(seen[1], 1.0), 3)}
            event = event.model_copy(update=told)
        events.append(event)
    return plan.model_copy(update={"semantic": plan.semantic.model_copy(update={"events": tuple(events)})})
