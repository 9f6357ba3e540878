"""The needs of the generator, each a small promise that an embedded and a pretrained model keep alike.

Shapes: V video tokens, L text tokens, Y sync tokens.
"""

from typing import Protocol

from torch import Tensor

from prismaudio.media.preprocess import View
from prismaudio.types import Frames


class VideoEncoder(Protocol):
    """What is on screen, several times a second."""

    @property
    def name(self) -> str: ...

    @property
    def view(self) -> View:
        """How often and how large it wants to see the film."""
        ...

    @property
    def dim(self) -> int: ...

    def encode(self, frames: Frames) -> Tensor:
        """frames seen through `view` -> (V, dim) float32, one token per frame"""
        ...


class SyncEncoder(Protocol):
    """When things move, at a rate that sound can follow."""

    @property
    def name(self) -> str: ...

    @property
    def view(self) -> View: ...

    @property
    def dim(self) -> int: ...

    def encode(self, frames: Frames) -> Tensor:
        """frames seen through `view` -> (Y, dim) float32, rising in time; how many is the encoder's own"""
        ...


class TextEncoder(Protocol):
    """Words as vectors."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def encode(self, text: str) -> Tensor:
        """-> (L, dim) float32, one row per token; L may be 0"""
        ...
