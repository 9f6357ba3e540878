"""Watching a video once: everything the planner and the transformer want to know of its picture.

Shapes: K motion frames at 25 fps, V pictures at 4 fps, P finer pictures at 2 fps, C columns of them, F features.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prismaudio.backends.embedded.vision import PLACES_FPS, PLACES_SIZE
from prismaudio.generation.loading import EmbeddedModel
from prismaudio.media.preprocess import View
from prismaudio.media.video import iter_view_chunks
from prismaudio.types import Frames

CHUNK_SECONDS = 10.0  # of pictures held at a time


class Seen(NamedTuple):
    """What was perceived, for the whole clip."""

    motion: Tensor  # (K, 36)
    columns: Tensor  # (P, C, F) half precision
    image_classes: Tensor  # (P, 1000)
    video: Tensor  # (V, 128)


def views_of(model: EmbeddedModel) -> dict[str, View]:
    """What the parts of the model want to see."""
    return {
        "motion": View(model.motion.fps, *model.motion.frame_size, fit="stretch"),
        "picture": View(model.vision.fps, *model.vision.frame_size, fit="stretch"),
        "places": View(PLACES_FPS, *PLACES_SIZE, fit="stretch"),
    }


def watch(path: Path, model: EmbeddedModel, seconds: float, report: Callable[[float], None]) -> Seen:
    """Decode the first `seconds` of `path` once, a few seconds at a time."""
    parts, previous = [], None
    for chunk in iter_view_chunks(path, views_of(model), CHUNK_SECONDS, duration=seconds):
        parts.append(perceive(chunk.frames, previous, model))
        previous = chunk.frames["motion"].images[-1:]
        report(min(1.0, (chunk.start + chunk.frames["motion"].duration) / seconds))
    return Seen(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def watch_frames(frames: Frames, model: EmbeddedModel) -> Seen:
    """The same of pictures in memory, of any size, at the rate motion wants."""
    return perceive({name: seen_through(view, frames) for name, view in views_of(model).items()}, None, model)


def seen_through(view: View, frames: Frames) -> Frames:
    """`frames` at the rate and size of `view`; at each of its instants, the picture in the middle of the slot."""
    slots = np.arange(max(1, int(frames.duration * view.fps + 1e-6))) + 0.5
    shown = np.minimum((slots * frames.fps / view.fps).astype(int), len(frames.images) - 1)
    return Frames(np.stack([view(frames.images[k]) for k in shown]), view.fps)


def perceive(frames: Mapping[str, Frames], previous: np.ndarray | None, model: EmbeddedModel) -> Seen:
    """Everything about one stretch of video; `previous` is the motion view's last picture before it."""
    network = model.vision.network
    columns = network.columns(frames["places"])
    return Seen(
        motion=motion_after(previous, frames["motion"], model),
        columns=columns.half(),
        image_classes=network.image_classes(columns),
        video=model.vision.encode(frames["picture"]),
    )


def motion_after(previous: np.ndarray | None, frames: Frames, model: EmbeddedModel) -> Tensor:
    """Motion of a chunk whose first frame follows `previous` (1, height, width, 3): -> (len(frames), 36)"""
    if previous is None:
        return model.motion.encode(frames)
    joined = Frames(np.concatenate([previous, frames.images]), frames.fps)
    return model.motion.encode(joined)[1:]
