"""Cut a plan to a stretch of its clip: for training crops and for sounds longer than the model's window."""

import numpy as np

from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.spatial import Key, Place
from prismaudio.dimensions.temporal import Span

SHORTEST = 0.02  # seconds of a span that are still worth keeping


def window(plan: Plan, start: float, seconds: float) -> Plan:
    """What happens between `start` and `start + seconds`, with times counted from `start`.

    A hit just before the window still rings in it, so its span is kept without the hit. Prose about the course of the
    whole clip would be wrong of a part of it, so there the numbers speak again; where there are none, it stays.
    """
    part = start > 0 or seconds < plan.duration - SHORTEST
    timed, placed = plan.temporal, plan.spatial
    if part and timed.prose and timed.spans:
        timed = timed.model_copy(update={"prose": None})
    if part and placed.prose and placed.places:
        placed = placed.model_copy(update={"prose": None})
    spans = tuple(cut for span in plan.temporal.spans if (cut := _cut(span, start, seconds)) is not None)
    heard = {span.event for span in spans}
    return plan.model_copy(
        update={
            "duration": seconds,
            "semantic": plan.semantic.model_copy(
                update={"events": tuple(event for event in plan.semantic.events if event.id in heard)}
            ),
            "temporal": timed.model_copy(update={"spans": spans}),
            "spatial": placed.model_copy(
                update={
                    "places": tuple(
                        _shifted(place, start, seconds)
                        for place in plan.spatial.places
                        if place.event in heard
                    )
                }
            ),
        }
    )


def _cut(span: Span, start: float, seconds: float) -> Span | None:
    onset, offset = max(span.onset - start, 0.0), min(span.offset - start, seconds)
    if offset - onset < SHORTEST:
        return None
    kept = [(hit - start, i) for i, hit in enumerate(span.hits) if start <= hit < start + seconds]
    strengths = tuple(span.strengths[i] for _, i in kept) if span.strengths else ()
    return Span(
        event=span.event,
        onset=onset,
        offset=offset,
        hits=tuple(min(max(hit, onset), offset) for hit, _ in kept),
        strengths=strengths,
    )


def _shifted(place: Place, start: float, seconds: float) -> Place:
    inside = [Key(key.time - start, key.azimuth) for key in place.keys if 0 < key.time - start < seconds]
    if len(place.keys) == 1:
        return place.model_copy(update={"keys": (Key(0.0, place.keys[0].azimuth),)})
    ends = place.azimuth_at(np.array([start, start + seconds]))
    keys = (Key(0.0, float(ends[0])), *inside, Key(seconds, float(ends[1])))
    return place.model_copy(update={"keys": keys})
