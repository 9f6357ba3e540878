"""Watching a video once: everything the planner and the transformer want to know of its picture.

Shapes: K motion frames at 25 fps, V pictures at 4 fps, C columns of the picture, F image features.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prismaudio.backends.embedded.bundle import EmbeddedModel
from prismaudio.media.preprocess import View
from prismaudio.media.video import iter_view_chunks
from prismaudio.types import Frames

CHUNK_SECONDS = 10.0  # of pictures held at a time


class Seen(NamedTuple):
    """What was perceived, for the whole clip."""

    motion: Tensor  # (K, 36)
    columns: Tensor  # (V, C, F) half precision
    image_classes: Tensor  # (V, 1000)
    video: Tensor  # (V, 128)


def watch(path: Path, model: EmbeddedModel, seconds: float, report: Callable[[float], None]) -> Seen:
    """Decode the first `seconds` of `path` once, a few seconds at a time."""
    views = {
        "motion": View(model.motion.fps, *model.motion.frame_size, fit="stretch"),
        "picture": View(model.vision.fps, *model.vision.frame_size, fit="stretch"),
    }
    motion, columns, classes, video = [], [], [], []
    previous = None
    for chunk in iter_view_chunks(path, views, CHUNK_SECONDS, duration=seconds):
        motion.append(motion_after(previous, chunk.frames["motion"], model))
        previous = chunk.frames["motion"].images[-1:]
        features = model.vision.network.columns(chunk.frames["picture"])
        columns.append(features.half())
        classes.append(model.vision.network.image_classes(features))
        video.append(model.vision.projection(features))
        report(min(1.0, (chunk.start + chunk.frames["motion"].duration) / seconds))
    return Seen(torch.cat(motion), torch.cat(columns), torch.cat(classes), torch.cat(video))


def watch_frames(frames: Frames, model: EmbeddedModel) -> Seen:
    """The same of pictures in memory, at the rate and size motion wants."""
    slots = np.arange(max(1, int(frames.duration * model.vision.fps + 1e-6))) + 0.5
    shown = np.minimum((slots * frames.fps / model.vision.fps).astype(int), len(frames.images) - 1)
    columns = model.vision.network.columns(Frames(frames.images[shown], model.vision.fps))
    classes = model.vision.network.image_classes(columns)
    return Seen(model.motion.encode(frames), columns.half(), classes, model.vision.projection(columns))


def motion_after(previous: np.ndarray | None, frames: Frames, model: EmbeddedModel) -> Tensor:
    """Motion of a chunk whose first frame follows `previous` (1, height, width, 3): -> (len(frames), 36)"""
    if previous is None:
        return model.motion.encode(frames)
    joined = Frames(np.concatenate([previous, frames.images]), frames.fps)
    return model.motion.encode(joined)[1:]
