"""The embedded planner: from measured motion and recognised objects to the four thoughts.

A small temporal network (`motion_reader`) reads strikes and continuous activity off the motion of each column of the
picture; what was seen there names them (`naming`). Both were trained on stage scenes, whose plans are known.

Shapes: K motion frames at 25 fps, V pictures at 2 fps, A = 8 azimuth bins.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prismaudio.backends.embedded.imagenet import sound_of_image_classes
from prismaudio.backends.embedded.motion import COLUMNS
from prismaudio.backends.embedded.recogniser import Looks
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.dimensions.plan import Plan, Provenance
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.planning.glance import Glance
from prismaudio.planning.motion_reader import FPS, MotionReader
from prismaudio.planning.naming import SURE, Candidate, ranking

HIT_THRESHOLD = 0.6
ACTIVE_THRESHOLD = 0.5
SHORTEST_SUSTAINED = 0.6  # seconds
SAME_PLACE = 0.4  # azimuth difference below which two hits belong to one source
LONGEST_PAUSE = 0.16  # seconds within which two peaks are one hit
MOST_EVENTS = 4


@dataclass
class Track:
    """A source in the making: hits or stretches of activity that share a place."""

    times: list[float] = field(default_factory=list)
    azimuths: list[float] = field(default_factory=list)
    strengths: list[float] = field(default_factory=list)
    end: float | None = None  # of a continuous sound

    @property
    def weight(self) -> float:
        return sum(self.strengths)

    def absorb(self, other: "Track") -> None:
        """Take the hits of `other` among one's own."""
        joined = sorted(
            zip(
                self.times + other.times,
                self.azimuths + other.azimuths,
                self.strengths + other.strengths,
                strict=True,
            )
        )
        self.times, self.azimuths, self.strengths = (list(column) for column in zip(*joined, strict=True))


Named = tuple[Track, str, float]  # a track, the name of its sound, and how probable that name is


class Ranked(NamedTuple):
    """A track and the names it may have, the most probable first."""

    track: Track
    candidates: list[Candidate]


class EmbeddedPlanner:
    """Writes a plan from perception; needs no prompt and no network connection."""

    name = "embedded-planner"

    def __init__(self, reader: MotionReader, glance: Glance) -> None:
        self.reader = reader
        self.glance = glance  # for the student, who writes from what this planner's networks see

    def plan(self, motion: Tensor, looks: Looks, image_classes: Tensor, duration: float) -> Plan:
        """motion: (K, 36), looks: all of the clip, image_classes: (V, 1000) probabilities, duration in seconds."""
        ranked = self.ranked(motion, looks, image_classes, duration)
        named = [(track, *candidates[0]) for track, candidates in ranked]
        if not named:
            named = self._whole_picture(image_classes, duration)
        return write_plan(merge_same(named), duration)

    @torch.no_grad()
    def ranked(self, motion: Tensor, looks: Looks, image_classes: Tensor, duration: float) -> list[Ranked]:
        """What was found to sound, the most certain first, each with all its names; arguments as of `plan`."""
        hit_logits, active_logits = self.reader(motion.float()[None])
        hits = torch.sigmoid(hit_logits[0]).numpy()
        active = torch.sigmoid(active_logits[0]).numpy()
        tracks = gather_hits(hits, duration) + gather_activity(active, duration)
        tracks = sorted(tracks, key=lambda track: -track.weight)[:MOST_EVENTS]
        return [Ranked(track, _names(track, looks, image_classes)) for track in tracks]

    def _whole_picture(self, image_classes: Tensor, duration: float) -> list[Named]:
        """Nothing moves: what is seen may still sound throughout, if it is known to."""
        seen = sound_of_image_classes(image_classes.mean(dim=0))
        if seen is None or seen[1] < SURE:
            return []
        return [(Track([0.0], [0.0], [1.0], end=duration), *seen)]


def _names(track: Track, looks: Looks, image_classes: Tensor) -> list[Candidate]:
    """The names of what is seen where and when the track sounds."""
    moments = np.linspace(track.times[0], track.end, 6) if track.end else np.array(track.times)
    azimuths = np.interp(moments, track.times, track.azimuths)
    return ranking(moments, azimuths, track.end is None, looks, image_classes)


def gather_hits(probabilities: NDArray[np.float32], duration: float) -> list[Track]:
    """probabilities: (K, A) -> tracks of hits. A hit is a peak over time of the strongest bin."""
    strongest = probabilities.max(axis=1)
    tracks: list[Track] = []
    last = -math.inf
    for k in np.flatnonzero(strongest > HIT_THRESHOLD):
        around = strongest[max(k - 3, 0) : k + 4]
        time = (k + 0.5) / FPS if k == 0 else _peak_time(strongest, int(k))
        if strongest[k] < around.max() or time - last < LONGEST_PAUSE or time >= duration:
            continue
        last = time
        azimuth = _centre(probabilities[k])
        near = [t for t in tracks if abs(t.azimuths[-1] - azimuth) < SAME_PLACE]
        track = min(near, key=lambda t: abs(t.azimuths[-1] - azimuth)) if near else Track()
        if not near:
            tracks.append(track)
        track.times.append(time)
        track.azimuths.append(azimuth)
        track.strengths.append(float(strongest[k]))
    return tracks


def _peak_time(values: NDArray[np.float32], k: int) -> float:
    """Seconds of the peak near frame k, by the parabola through its neighbours."""
    if not 0 < k < len(values) - 1:
        return k / FPS
    left, middle, right = (float(v) for v in values[k - 1 : k + 2])
    bend = left - 2 * middle + right
    offset = 0.5 * (left - right) / bend if bend < -1e-9 else 0.0
    return max(k + float(np.clip(offset, -0.5, 0.5)), 0.0) / FPS


def _centre(probabilities: NDArray[np.float32]) -> float:
    """(A,) -> azimuth of the strongest bin, drawn to its neighbours by their weight."""
    best = int(probabilities.argmax())
    low, high = max(best - 1, 0), min(best + 2, COLUMNS)
    bins = (np.arange(COLUMNS) + 0.5) / COLUMNS * 2 - 1
    return float(np.average(bins[low:high], weights=probabilities[low:high] + 1e-6))


def gather_activity(probabilities: NDArray[np.float32], duration: float) -> list[Track]:
    """probabilities: (K, A) -> tracks of continuous sound: stretches in which some bin stays active."""
    strongest = np.convolve(probabilities.max(axis=1), np.ones(9) / 9, mode="same")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], strongest > ACTIVE_THRESHOLD, [0]]).astype(int)))
    tracks = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        start, end = first / FPS, min(last / FPS, duration)
        if end - start < min(SHORTEST_SUSTAINED, 0.5 * duration):
            continue
        moments = np.linspace(first, last - 1, min(7, last - first)).astype(int)
        mean = [probabilities[max(m - 6, 0) : m + 7].mean(axis=0) for m in moments]
        tracks.append(
            Track(
                times=[float(m / FPS) for m in moments],
                azimuths=[_centre(row) for row in mean],
                strengths=[float(strongest[first:last].mean()) * (end - start)],
                end=end,
            )
        )
    return tracks


def merge_same(named: list[Named]) -> list[Named]:
    """Tracks of hits that carry the same name are one source that moved."""
    merged: list[Named] = []
    for track, name, probability in named:
        twin = next((t for t, n, _ in merged if n == name and t.end is None and track.end is None), None)
        if twin is None:
            merged.append((track, name, probability))
        else:
            twin.absorb(track)
    return merged


def write_plan(named: list[Named], duration: float) -> Plan:
    """Tracks with names -> the four thoughts. The aesthetic thought is what one wants: a clean recording."""
    words = {entry.name: entry.words for entry in VOCABULARY}
    events, spans, places = [], [], []
    for number, (track, name, probability) in enumerate(named):
        event = f"s{number + 1}"
        events.append(
            Event(
                id=event, sound=words[name], label=name, confidence=round(min(max(probability, 0.0), 1.0), 3)
            )
        )
        spans.append(_span(event, track, duration))
        keys = tuple(
            Key(round(t, 3), round(float(np.clip(a, -1, 1)), 3))
            for t, a in zip(track.times, track.azimuths, strict=True)
        )
        places.append(Place(event=event, keys=keys))
    return Plan(
        duration=duration,
        semantic=SemanticThought(events=tuple(events)),
        temporal=TemporalThought(spans=tuple(spans)),
        spatial=SpatialThought(places=tuple(places)),
        provenance=Provenance(planner=EmbeddedPlanner.name),
    )


def _span(event: str, track: Track, duration: float) -> Span:
    if track.end is not None:
        return Span(event=event, onset=min(track.times[0], 0.99 * duration), offset=track.end)
    hits = tuple(round(min(t, duration), 4) for t in track.times)
    offset = max(min(hits[-1] + 0.4, duration), hits[0] + 1e-3)
    strengths = tuple(round(min(max(s, 0.0), 1.0), 3) for s in track.strengths)
    return Span(event=event, onset=hits[0], offset=offset, hits=hits, strengths=strengths)
