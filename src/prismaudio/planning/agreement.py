"""A model's words with the picture's numbers: measured moments and places, where both speak of the same event.

A language model sees a few pictures a second; the motion was measured at 25. So where a track of the evidence and an
event of the plan happen at about the same time, or are called alike, the event takes the track's moments and path.

Shapes: E events, T tracks.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from prismaudio.dimensions.lift import stems
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event
from prismaudio.dimensions.temporal import Span
from prismaudio.planning.evidence import Evidence, Track

SLACK = 0.6  # seconds by which a model may miss a moment
CALLED_ALIKE = 0.4  # what a common word is worth, beside 1 for the same time
ENOUGH = 0.6  # the worth from which an event and a track are one


def agreed(plan: Plan, evidence: Evidence) -> tuple[Plan, list[str]]:
    """The plan with the numbers of the tracks that it agrees with, and the sounds that took them."""
    tracks = {event: track for event, track in matched(plan, evidence.tracks()).items() if track.spans}
    if not tracks:
        return plan, []
    spans = [span for span in plan.temporal.spans if span.event not in tracks]
    places = [place for place in plan.spatial.places if place.event not in tracks]
    distances = {place.event: place.distance for place in plan.spatial.places}
    for event, track in tracks.items():
        spans += [span.model_copy(update={"event": event}) for span in track.spans]
        if track.place is not None:
            far = distances.get(event, track.place.distance)
            places.append(track.place.model_copy(update={"event": event, "distance": far}))
    plan = plan.model_copy(
        update={
            "temporal": plan.temporal.model_copy(update={"spans": tuple(spans), "prose": None}),
            "spatial": plan.spatial.model_copy(update={"places": tuple(places), "prose": None}),
        }
    )
    return plan, [sound for event, sound in plan.sounds().items() if event in tracks]


def reworded(evidence: Evidence, plan: Plan) -> Plan:
    """What was measured, in the words of `plan` for whatever both speak of; `plan` itself where nothing was."""
    if not evidence.plan.semantic.events:
        return plan
    said = {event.id: event for event in plan.semantic.events}
    words = {track.event.id: said[event] for event, track in matched(plan, evidence.tracks()).items()}
    thought = evidence.plan.semantic
    events = tuple(
        words[event.id].model_copy(update={"id": event.id}) if event.id in words else event
        for event in thought.events
    )
    return evidence.plan.model_copy(update={"semantic": thought.model_copy(update={"events": events})})


def matched(plan: Plan, tracks: Sequence[Track]) -> dict[str, Track]:
    """Event of the plan -> the track that is it, no track twice; what is off screen was not measured."""
    events = [event for event in plan.semantic.events if event.on_screen]
    worth = np.array([[_worth(event, plan, track) for track in tracks] for event in events])
    if not worth.size:
        return {}
    pairs = zip(*linear_sum_assignment(worth, maximize=True), strict=True)
    return {events[e].id: tracks[t] for e, t in pairs if worth[e, t] >= ENOUGH}


def _worth(event: Event, plan: Plan, track: Track) -> float:
    """0 to 1.4; 0 if one strikes and the other sounds on and on."""
    spans = [span for span in plan.temporal.spans if span.event == event.id]
    if not spans or not track.spans or _strikes(spans) != _strikes(track.spans):
        return 0.0
    together = _hits_together(spans, track.spans) if _strikes(spans) else _overlap(spans, track.spans)
    alike = bool(stems(event.sound) & stems(track.event.sound))
    return together + CALLED_ALIKE * alike


def _strikes(spans: Sequence[Span]) -> bool:
    return any(span.hits for span in spans)


def _hits_together(told: Sequence[Span], measured: Sequence[Span]) -> float:
    """Share of the moments of both, in F1, that have one of the other within `SLACK`."""
    a, b = _moments(told), _moments(measured)
    near = np.abs(a[:, None] - b[None]) <= SLACK
    return 2 * min(int(near.any(axis=1).sum()), int(near.any(axis=0).sum())) / (len(a) + len(b))


def _moments(spans: Sequence[Span]) -> NDArray[np.float64]:
    return np.array([moment for span in spans for moment in span.onsets()])


def _overlap(told: Sequence[Span], measured: Sequence[Span]) -> float:
    """Shared time over all time."""
    shared = sum(max(0.0, min(a.offset, b.offset) - max(a.onset, b.onset)) for a in told for b in measured)
    return shared / (sum(span.offset - span.onset for span in (*told, *measured)) - shared)
