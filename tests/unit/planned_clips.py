"""A clip of eight seconds with known measurements, and right answers about it."""

import json
from typing import Any

import numpy as np

from prismaudio.dimensions.plan import Plan, Provenance
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.planning.base import PlanRequest, frames_of
from prismaudio.planning.evidence import Evidence
from prismaudio.types import Frames

SECONDS = 8.0
HITS = (1.04, 2.52, 4.0)


def measured() -> Evidence:
    """Something strikes on the left, something moves to the right; nobody knows what."""
    plan = Plan(
        duration=SECONDS,
        semantic=SemanticThought(
            events=(
                Event(id="s1", sound="a hammer striking", label="hammer", confidence=0.3),
                Event(id="s2", sound="a car engine running", label="car_engine", confidence=0.8),
            )
        ),
        temporal=TemporalThought(
            spans=(
                Span(event="s1", onset=HITS[0], offset=4.4, hits=HITS, strengths=(0.9, 0.8, 0.7)),
                Span(event="s2", onset=0.5, offset=7.5),
            )
        ),
        spatial=SpatialThought(
            places=(
                Place(event="s1", keys=(Key(1.04, -0.6), Key(4.0, -0.62))),
                Place(event="s2", keys=(Key(0.5, -0.8), Key(7.5, 0.8))),
            )
        ),
        provenance=Provenance(planner="embedded-planner"),
    )
    return Evidence(plan, cuts=(5.0,))


def film() -> Frames:
    """A white square on grey that jumps at every hit."""
    images = np.full((int(SECONDS * 25), 90, 120, 3), 90, np.uint8)
    for k in range(len(images)):
        left = 10 + 5 * sum(k / 25 >= hit for hit in HITS)
        images[k, 30:60, left : left + 30] = 255
    return Frames(images, 25.0)


def request(**others: Any) -> PlanRequest:
    known: dict[str, Any] = {
        "duration": SECONDS,
        "frames": frames_of(film(), SECONDS),
        "evidence": measured(),
    }
    return PlanRequest(**(known | others))


def answer(**changed: Any) -> str:
    """What a model says that saw the clip well, but its moments not to the frame."""
    thoughts: dict[str, Any] = {
        "semantic": {
            "events": [
                {"id": "s1", "sound": "a woodpecker drumming", "on_screen": True, "confidence": 0.9},
                {"id": "s2", "sound": "a tractor driving", "on_screen": True, "confidence": 0.8},
            ],
            "ambience": ["wind in leaves"],
            "avoid": [],
        },
        "temporal": {
            "spans": [
                {"event": "s1", "onset": 1.3, "offset": 4.5, "hits": [1.3, 2.7, 3.8], "strengths": []},
                {"event": "s2", "onset": 0.0, "offset": 8.0, "hits": [], "strengths": []},
            ]
        },
        "aesthetic": {"quality": 1, "flaws": [], "loudness": "balanced", "room": "dry"},
        "spatial": {
            "places": [
                {"event": "s1", "keys": [{"time": 1.3, "azimuth": -0.3}], "distance": 0.2},
                {
                    "event": "s2",
                    "keys": [{"time": 0, "azimuth": -1}, {"time": 8, "azimuth": 1}],
                    "distance": 0.7,
                },
            ]
        },
    }
    return json.dumps(thoughts | changed)


LATE = answer(
    temporal={"spans": [{"event": "s1", "onset": 9.0, "offset": 9.5, "hits": [], "strengths": []}]}
)  # after the clip, and s2 is never heard
