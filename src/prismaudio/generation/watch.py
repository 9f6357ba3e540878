"""The embedded eyes: what the planner and the embedded transformer want to know of the picture.

Shapes: K motion frames at 25 fps, V pictures at 4 fps, P finer pictures at 2 fps, C columns of them, F features,
L close looks, N names.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.backends.embedded.recogniser import Looker, Looks
from prismaudio.backends.embedded.vision import PLACES_FPS, PLACES_SIZE, VisionEncoder, columns_of
from prismaudio.generation.pictures import Film
from prismaudio.media.preprocess import View
from prismaudio.planning.embedded import EmbeddedPlanner
from prismaudio.planning.evidence import Evidence
from prismaudio.planning.sight import sight_of
from prismaudio.types import Frames


class Eyes(NamedTuple):
    """Who looks."""

    motion: MotionEncoder
    vision: VisionEncoder
    looker: Looker


class Seen(NamedTuple):
    """What was perceived, for the whole clip."""

    motion: Tensor  # (K, 36)
    columns: Tensor  # (P, C, F) half precision
    image_classes: Tensor  # (P, 1000)
    video: Tensor  # (V, 128)
    looks: Looks  # L of them


class Watcher:
    """Perceives a film stretch by stretch."""

    def __init__(self, eyes: Eyes) -> None:
        self.eyes = eyes
        self.views = {
            "motion": View(eyes.motion.fps, *eyes.motion.frame_size, fit="stretch"),
            "picture": View(eyes.vision.fps, *eyes.vision.frame_size, fit="stretch"),
            "places": View(PLACES_FPS, *PLACES_SIZE, fit="stretch"),
            "fine": View(PLACES_FPS, 2 * PLACES_SIZE[0], 2 * PLACES_SIZE[1], fit="stretch"),
        }
        self._parts: list[Seen] = []
        self._watched = 0  # pictures at PLACES_FPS
        self._previous: np.ndarray | None = None  # the motion view's last picture, (1, height, width, 3)

    def look(self, frames: Mapping[str, Frames]) -> None:
        """Perceive the next stretch, in all views."""
        network, places = self.eyes.vision.network, frames["places"]
        maps = network.maps(places)
        columns = columns_of(maps)
        self._parts.append(
            Seen(
                motion=self._motion(frames["motion"]),
                columns=columns.half(),
                image_classes=network.image_classes(columns),
                video=self.eyes.vision.encode(frames["picture"]),
                looks=self.eyes.looker.look(places, frames["fine"], maps, self._watched / PLACES_FPS),
            )
        )
        self._watched += len(places.images)
        self._previous = frames["motion"].images[-1:]

    def seen(self) -> Seen:
        """All stretches as one."""
        parts = self._parts
        return Seen(
            motion=torch.cat([part.motion for part in parts]),
            columns=torch.cat([part.columns for part in parts]),
            image_classes=torch.cat([part.image_classes for part in parts]),
            video=torch.cat([part.video for part in parts]),
            looks=Looks(*map(torch.cat, zip(*(part.looks for part in parts), strict=True))),
        )

    def _motion(self, frames: Frames) -> Tensor:
        """(len(frames), 36); the first of a stretch moved since the last of the one before."""
        if self._previous is None:
            return self.eyes.motion.encode(frames)
        joined = Frames(np.concatenate([self._previous, frames.images]), frames.fps)
        return self.eyes.motion.encode(joined)[1:]


def watch(film: Film, eyes: Eyes, seconds: float, report: Callable[[float], None]) -> Seen:
    """Perceive the first `seconds` of `film`, decoded once."""
    watcher = Watcher(eyes)
    for chunk in film.watch(watcher.views, seconds):
        watcher.look(chunk.frames)
        report(min(1.0, (chunk.start + chunk.frames["motion"].duration) / seconds))
    return watcher.seen()


def measured(perception: EmbeddedPlanner, seen: Seen, seconds: float) -> Evidence:
    """Tracks with names, and cuts, of the first `seconds`."""
    plan = perception.plan(seen.motion, seen.looks, seen.image_classes, seconds)
    return Evidence.measured(
        plan, seen.motion, lambda: sight_of(perception, seen.motion, seen.columns, seen.image_classes)
    )
