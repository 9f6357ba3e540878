"""The student as a planner, alone and with measured numbers.

Shapes: K motion frames at 25 fps, P pictures at 2 fps, C columns of image features, F of them.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from prismaudio.backends.embedded.imagenet import sound_of_image_classes
from prismaudio.backends.embedded.vision import PLACES_FPS
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.dimensions.plan import Plan, Provenance
from prismaudio.dimensions.semantic import Event
from prismaudio.dimensions.spatial import Key, Place
from prismaudio.dimensions.temporal import Span
from prismaudio.planning.agreement import agreed
from prismaudio.planning.embedded import SURE, EmbeddedPlanner, Recogniser
from prismaudio.planning.evidence import Evidence
from prismaudio.planning.language import ALL_NAMES, FPS, frames_of, understood
from prismaudio.planning.motion_reader import MotionReader
from prismaudio.planning.student import Student, Watched, names_seen, read_motion

LONGEST_PIECE = 9.6  # seconds that the student writes about at a time
SAME_PLACE = 0.4  # azimuth within which a sound goes on in the next piece


class SeeingPlanner(Protocol):
    """Writes a plan from what the embedded eyes saw."""

    @property
    def name(self) -> str: ...

    def plan(self, motion: Tensor, columns: Tensor, image_classes: Tensor, duration: float) -> Plan:
        """motion: (K, 36), columns: (P, C, F), image_classes: (P, 1000) probabilities, duration in seconds."""
        ...


class StudentPlanner:
    """Has the student write; in camera video, names that an ImageNet network is sure of stand for its own."""

    name = "embedded-student"

    def __init__(self, student: Student, reader: MotionReader, recogniser: Recogniser) -> None:
        self.student, self.reader, self.recogniser = student, reader, recogniser

    def plan(self, motion: Tensor, columns: Tensor, image_classes: Tensor, duration: float) -> Plan:
        """A plan; longer clips are written about piece by piece."""
        read = read_motion(self.reader, motion.float())
        names = names_seen(self.recogniser, columns)
        count = max(1, int(np.ceil(duration / LONGEST_PIECE - 1e-6)))
        edges = [round(i * duration / count * FPS) for i in range(count)] + [frames_of_all(duration)]
        pieces = []
        for first, last in zip(edges[:-1], edges[1:], strict=True):
            rows = picture_rows(first / FPS, last / FPS, len(names))
            watched = Watched(
                motion=_stretch(motion.float(), first, last),
                read=_stretch(read, first, last),
                names=names[None, rows],
                moments=(rows + 0.5) / PLACES_FPS - first / FPS,
            )
            seconds = duration - first / FPS if last == edges[-1] else (last - first) / FPS
            pieces.append(Piece(first / FPS, self._written(watched, seconds)))
        plan = joined(pieces, duration)
        plan = with_sure_names(plan, image_classes)
        return plan.model_copy(update={"provenance": Provenance(planner=self.name)})

    def _written(self, watched: Watched, seconds: float) -> Plan:
        tokens, sureness = self.student.compose(watched)
        plan = understood(tokens, seconds)
        sure = [share for token, share in zip(tokens, sureness, strict=True) if token in ALL_NAMES]
        events = tuple(
            event.model_copy(update={"confidence": round(share, 3)})
            for event, share in zip(plan.semantic.events, sure, strict=False)
        )
        return plan.model_copy(update={"semantic": plan.semantic.model_copy(update={"events": events})})


class MeasuredStudent:
    """The student's words with measured moments and places, where both speak of the same event."""

    name = "embedded-combined"

    def __init__(self, student: StudentPlanner, perception: EmbeddedPlanner) -> None:
        self.student, self.perception = student, perception

    def plan(self, motion: Tensor, columns: Tensor, image_classes: Tensor, duration: float) -> Plan:
        """The student's plan, mended."""
        measured = self.perception.plan(motion, columns, image_classes, duration)
        plan = self.student.plan(motion, columns, image_classes, duration)
        plan, _ = agreed(plan, Evidence(measured))
        return plan.model_copy(update={"provenance": Provenance(planner=self.name)})


class Piece(NamedTuple):
    """What is written of a stretch of a clip."""

    start: float  # seconds
    plan: Plan


def frames_of_all(duration: float) -> int:
    """Motion frames of a clip of any length."""
    return max(1, int(np.ceil(duration * FPS - 1e-6)))


def picture_rows(start: float, end: float, count: int) -> Tensor:
    """The pictures between two seconds, of `count`; at least one."""
    first = min(int(start * PLACES_FPS), count - 1)
    return torch.arange(first, max(first + 1, min(int(np.ceil(end * PLACES_FPS)), count)))


def _stretch(features: Tensor, first: int, last: int) -> Tensor:
    """features: (K, F) -> (1, last - first, F); the last frame is held where there are fewer."""
    rows = torch.arange(first, last).clamp(max=len(features) - 1)
    return features[rows][None]


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
