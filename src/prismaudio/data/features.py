"""A clip as the embedded model is told of it: picture tokens, the words of the plan, and the track.

Shapes: V video tokens, L text tokens, Y track frames.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.backends.embedded.text import TABLE_DIM, WordTable
from prismaudio.backends.embedded.vision import PICTURE_DIM
from prismaudio.data.track import TrackGrid, draw_track, track_dim
from prismaudio.dimensions.plan import Plan
from prismaudio.models.conditioning import Features, pad

TRACK_DIMS = (MotionEncoder.dim, TABLE_DIM)
SYNC_DIM = track_dim(*TRACK_DIMS)
TEXT_DIM = WordTable.dim
VIDEO_DIM = PICTURE_DIM


class ClipFeatures(NamedTuple):
    """The conditions of one clip of `seconds`."""

    video: Tensor  # (V, 128), V may be 0
    text: Tensor  # (L, 260), L may be 0
    sync: Tensor  # (Y, 304)


def describe(
    seconds: float,
    plan: Plan | None,
    video: Tensor | None,
    motion: Tensor | None,
    words: WordTable,
    text: str | None = None,
) -> ClipFeatures:
    """plan, video (V, 128) and motion (K, 36) of the same `seconds`; whatever is None is left out.

    `text` replaces the plan's own paragraphs: what a user wrote, or part of them.
    """
    if text is None:
        text = plan.render("tagged") if plan is not None else ""
    return ClipFeatures(
        video=torch.zeros(0, VIDEO_DIM) if video is None else video.float(),
        text=words.encode(text) if text.strip() else torch.zeros(0, TEXT_DIM),
        sync=draw_track(plan, motion, TrackGrid.spanning(seconds), words.phrase, TRACK_DIMS),
    )


def collate(clips: Sequence[ClipFeatures]) -> Features:
    """Clips of the same length in seconds -> one padded and masked batch."""
    video, video_mask = pad([clip.video for clip in clips])
    text, text_mask = pad([clip.text for clip in clips])
    return Features(video, text, torch.stack([clip.sync for clip in clips]), video_mask, text_mask)
