"""What the embedded networks make of a clip before anyone writes of it: food for the student.

Shapes: K motion frames at 25 fps, P pictures at 2 fps, C columns of image features, F of them, N names.
"""

from typing import NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor

from prismaudio.planning.embedded import EmbeddedPlanner
from prismaudio.planning.glance import Glance
from prismaudio.planning.motion_reader import MotionReader

PICTURES = 32  # looked at together


class Sight(NamedTuple):
    """One clip."""

    motion: Tensor  # (K, 36)
    read: Tensor  # (K, 16) what the motion reader says: logits of hits and of activity in 8 bins
    names: Tensor  # (P, C, N) log-probabilities of what is at each place
    image_classes: Tensor  # (P, 1000) ImageNet probabilities


def sight_of(perception: EmbeddedPlanner, motion: Tensor, columns: Tensor, image_classes: Tensor) -> Sight:
    """motion: (K, 36), columns: (P, C, F), image_classes: (P, 1000)"""
    motion = motion.float()
    return Sight(
        motion,
        read_motion(perception.reader, motion),
        names_seen(perception.glance, columns),
        image_classes,
    )


@torch.no_grad()
def read_motion(reader: MotionReader, motion: Tensor) -> Tensor:
    """motion: (K, 36) -> (K, 16) logits of hits and of activity"""
    hits, active = reader(motion[None])
    return torch.cat([hits[0], active[0]], dim=-1)


@torch.no_grad()
def names_seen(glance: Glance, columns: Tensor) -> Tensor:
    """columns: (P, C, F) -> (P, C, N) log-probabilities of what stands in the middle of each column"""
    count = columns.shape[1]
    azimuths = (torch.arange(count) + 0.5) / count * 2 - 1
    parts = []
    for start in range(0, len(columns), PICTURES):
        pictures = columns[start : start + PICTURES]
        everywhere = repeat(pictures.float(), "p c f -> (p at) c f", at=count)
        logits = glance(everywhere, azimuths.repeat(len(pictures)))
        parts.append(rearrange(logits.log_softmax(dim=-1), "(p at) n -> p at n", at=count))
    return torch.cat(parts)
