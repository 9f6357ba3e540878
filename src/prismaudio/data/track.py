"""The track: the plan drawn over time, beside the measured motion, as the embedded model's sync features.

Text tells the model what and how; numbers - when, where - are drawn: every event leaves its instants, its activity and
its azimuth, and the meaning of its words, on the frames in which it is heard. Moving a hit in the plan moves it here.

Shapes: Y track frames (a multiple of 8, as the sync conditioner wants), M motion features, D word-vector size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.temporal import Span

SEGMENT = 8
CUES = (
    12  # hit and activity: total, left, centre, right; then distance, off screen, decay since hit, any sound
)
STRUCK_SECONDS = 0.5  # how long the meaning of a struck sound stays on the track
Phrase = Callable[[str], Tensor]


@dataclass(frozen=True)
class TrackGrid:
    """The instants of a track that spans `seconds` exactly, at about 25 per second."""

    frames: int
    seconds: float

    @classmethod
    def spanning(cls, seconds: float) -> "TrackGrid":
        return cls(SEGMENT * max(1, round(25 * seconds / SEGMENT)), seconds)

    @property
    def rate(self) -> float:
        return self.frames / self.seconds

    def times(self) -> NDArray[np.floating]:
        """(Y,) seconds, the middle of each frame."""
        return (np.arange(self.frames) + 0.5) / self.rate


def track_dim(motion_dim: int, word_dim: int) -> int:
    return motion_dim + CUES + word_dim


def draw_track(
    plan: Plan | None, motion: Tensor | None, grid: TrackGrid, phrase: Phrase, dims: tuple[int, int]
) -> Tensor:
    """-> (Y, M + 12 + D); `dims` = (M, D). A missing plan or motion is zeros."""
    motion_dim, word_dim = dims
    moved = torch.zeros(grid.frames, motion_dim) if motion is None else resample_motion(motion, grid)
    planned = (
        torch.zeros(grid.frames, CUES + word_dim) if plan is None else draw_plan(plan, grid, phrase, word_dim)
    )
    return torch.cat([moved, planned], dim=1)


def resample_motion(motion: Tensor, grid: TrackGrid, fps: float = 25.0) -> Tensor:
    """motion: (K, M), row k between frames k - 1 and k -> (Y, M) at the grid's instants, linear in between."""
    position = np.clip(grid.times() * fps + 0.5, 0, len(motion) - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, len(motion) - 1)
    share = torch.from_numpy((position - low).astype(np.float32))[:, None]
    return motion[low] * (1 - share) + motion[high] * share


def draw_plan(plan: Plan, grid: TrackGrid, phrase: Phrase, word_dim: int) -> Tensor:
    """-> (Y, 12 + D)"""
    cues = np.zeros((grid.frames, CUES), dtype=np.float32)
    words = torch.zeros(grid.frames, word_dim)
    events = {event.id: event for event in plan.semantic.events}
    places = {place.event: place for place in plan.spatial.places}
    for span in plan.temporal.spans:
        place, event = places.get(span.event), events[span.event]
        azimuth = place.azimuth_at(grid.times()) if place else np.zeros(grid.frames)
        hits, activity, decay = _instants(span, grid), _activity(span, grid), _decay(span, grid)
        sides = np.stack([np.clip(-azimuth, 0, 1), 1 - np.abs(azimuth), np.clip(azimuth, 0, 1)])
        cues[:, 0] += hits
        cues[:, 1:4] += (hits * sides).T
        cues[:, 4] += activity
        cues[:, 5:8] += (activity * sides).T
        cues[:, 8] += activity * (place.distance if place else 0.3)
        cues[:, 9] += activity * (not event.on_screen)
        cues[:, 10] += decay
        cues[:, 11] = np.maximum(cues[:, 11], activity)
        words += torch.from_numpy(activity)[:, None] * phrase(event.sound)
    return torch.cat([torch.from_numpy(cues), words], dim=1)


def _instants(span: Span, grid: TrackGrid) -> NDArray[np.float32]:
    """(Y,) impulses at the hits, split between neighbouring frames so that their place is exact."""
    track = np.zeros(grid.frames, dtype=np.float32)
    strengths = span.strengths or (1.0,) * len(span.hits)
    pairs = list(zip(span.hits, strengths, strict=True)) or [(span.onset, 0.5)]
    for hit, strength in pairs:
        position = hit * grid.rate - 0.5
        low = int(np.floor(position))
        for frame, share in ((low, 1 - (position - low)), (low + 1, position - low)):
            if 0 <= frame < grid.frames:
                track[frame] += strength * share
    return track


def _activity(span: Span, grid: TrackGrid) -> NDArray[np.float32]:
    """(Y,) 1 while the event is heard: from each hit for a moment, or over the whole span."""
    if not span.hits:
        return _covered(span.onset, span.offset, grid)
    ends = [*span.hits[1:], span.offset]
    parts = [
        _covered(hit, min(end, max(hit + STRUCK_SECONDS, 0)), grid)
        for hit, end in zip(span.hits, ends, strict=True)
    ]
    last = _covered(span.hits[-1], max(span.offset, span.hits[-1] + 0.1), grid)
    return np.maximum(np.max(parts, axis=0), last)


def _covered(start: float, end: float, grid: TrackGrid) -> NDArray[np.float32]:
    """(Y,) the share of each frame that lies between `start` and `end`."""
    edges = np.arange(grid.frames + 1) / grid.rate
    overlap = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
    return np.clip(overlap * grid.rate, 0, 1).astype(np.float32)


def _decay(span: Span, grid: TrackGrid) -> NDArray[np.float32]:
    """(Y,) falls from 1 after each hit, so that the model knows how long ago it was."""
    track = np.zeros(grid.frames, dtype=np.float32)
    for hit in span.hits:
        since = grid.times() - hit
        track = np.maximum(track, np.where(since >= 0, np.exp(-since / 0.15), 0)).astype(np.float32)
    return track
