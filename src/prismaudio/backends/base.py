"""The needs of the generator, each a small promise that an embedded and a pretrained model keep alike.

Shapes: V video tokens, L text tokens, K frames.
"""

from typing import Protocol

from torch import Tensor

from prismaudio.types import Frames


class VideoEncoder(Protocol):
    """What is on screen, several times a second."""

    name: str
    fps: float
    frame_size: tuple[int, int]  # width, height wanted
    dim: int

    def encode(self, frames: Frames) -> Tensor:
        """frames at `fps` and `frame_size` -> (V, dim), one token per frame"""
        ...


class SyncEncoder(Protocol):
    """When things move, at a rate that sound can follow."""

    name: str
    fps: float
    frame_size: tuple[int, int]
    dim: int

    def encode(self, frames: Frames) -> Tensor:
        """frames at `fps` and `frame_size` -> (K, dim), one row per frame"""
        ...


class TextEncoder(Protocol):
    """Words as vectors."""

    name: str
    dim: int

    def encode(self, text: str) -> Tensor:
        """-> (L, dim), one row per token; L may be 0"""
        ...
