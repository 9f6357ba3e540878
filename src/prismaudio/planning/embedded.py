"""The embedded planner: from measured motion and recognised objects to the four thoughts.

A small temporal network (`motion_reader`) reads strikes and continuous activity off the motion of each column of the
picture; another names what is seen in that column. Both were trained on stage scenes, whose plans are known. In camera
video the names of an ImageNet network, mapped to sounds by hand, decide where it is sure of itself.

Shapes: K motion frames at 25 fps, V pictures at 2 fps, C = 10 columns of image features, A = 8 azimuth bins.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prismaudio.backends.embedded.imagenet import sound_of_image_classes
from prismaudio.backends.embedded.motion import COLUMNS
from prismaudio.backends.embedded.vision import FEATURES, PLACES_FPS
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.dimensions.plan import Plan, Provenance
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.planning.motion_reader import FPS, MotionReader

HIT_THRESHOLD = 0.6
ACTIVE_THRESHOLD = 0.5
SHORTEST_SUSTAINED = 0.6  # seconds
SAME_PLACE = 0.4  # azimuth difference below which two hits belong to one source
LONGEST_PAUSE = 0.16  # seconds within which two peaks are one hit
SURE = 0.5  # probability from which an ImageNet name overrules the stage's recogniser
MOST_EVENTS = 4


class Recogniser(nn.Module):
    """Image features at a place, and of the whole picture -> logits over the sounds that could come from there."""

    def __init__(self, classes: int, width: int = 192) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(FEATURES, elementwise_affine=False)
        self.layers = nn.Sequential(
            nn.Dropout(0.8),  # a handful of sprites per class: what is learned must not hang on few features
            nn.Linear(2 * FEATURES, width),
            nn.GELU(),
            nn.Dropout(0.5),
            nn.Linear(width, classes),
        )

    def forward(self, columns: Tensor, azimuth: Tensor) -> Tensor:
        """columns: (B, C, F), azimuth: (B,) in [-1, 1] -> (B, classes)"""
        here = at_azimuth(columns, azimuth)
        apart = here - columns.mean(dim=1)  # what this place has and the rest of the picture has not
        return self.layers(torch.cat([self.norm(here), self.norm(apart)], dim=-1))


def at_azimuth(columns: Tensor, azimuth: Tensor) -> Tensor:
    """columns: (B, C, F), azimuth: (B,) -> (B, F), linear between the two nearest columns."""
    count = columns.shape[1]
    position = ((azimuth + 1) / 2 * count - 0.5).clamp(0, count - 1)
    low = position.floor().long()
    share = (position - low)[:, None].to(columns)
    rows = torch.arange(len(columns), device=columns.device)
    return columns[rows, low] * (1 - share) + columns[rows, (low + 1).clamp(max=count - 1)] * share


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


class EmbeddedPlanner:
    """Writes a plan from perception; needs no prompt and no network connection."""

    name = "embedded-planner"

    def __init__(self, reader: MotionReader, recogniser: Recogniser) -> None:
        self.reader = reader
        self.recogniser = recogniser

    @torch.no_grad()
    def plan(self, motion: Tensor, columns: Tensor, image_classes: Tensor, duration: float) -> Plan:
        """motion: (K, 36), columns: (V, C, F), image_classes: (V, 1000) probabilities, duration in seconds."""
        hits, active = (torch.sigmoid(logits[0]).numpy() for logits in self.reader(motion.float()[None]))
        tracks = gather_hits(hits, duration) + gather_activity(active, duration)
        tracks = sorted(tracks, key=lambda track: -track.weight)[:MOST_EVENTS]
        named = [(track, *self._name(track, columns, image_classes)) for track in tracks]
        if not named:
            named = self._whole_picture(columns, image_classes, duration)
        return write_plan(merge_same(named), duration)

    def _name(self, track: Track, columns: Tensor, image_classes: Tensor) -> tuple[str, float]:
        """The most probable class of what is seen where and when the track sounds, and its probability."""
        moments = np.linspace(track.times[0], track.end, 6) if track.end else np.array(track.times)
        azimuths = np.interp(moments, track.times, track.azimuths)
        rows = torch.from_numpy(np.clip((moments * PLACES_FPS).astype(int), 0, len(columns) - 1))
        logits = self.recogniser(columns[rows].float(), torch.from_numpy(azimuths).float())
        probabilities = logits.log_softmax(dim=-1).mean(dim=0).softmax(dim=-1)
        seen = sound_of_image_classes(image_classes[rows].mean(dim=0))
        if seen is not None and seen[1] >= SURE:
            return seen
        best = int(probabilities.argmax())
        return VOCABULARY[best].name, float(probabilities[best])

    def _whole_picture(self, columns: Tensor, image_classes: Tensor, duration: float) -> list[Named]:
        """Nothing moves: what is seen may still sound throughout, if it is known to."""
        seen = sound_of_image_classes(image_classes.mean(dim=0))
        if seen is None or seen[1] < SURE:
            return []
        return [(Track([0.0], [0.0], [1.0], end=duration), *seen)]


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
