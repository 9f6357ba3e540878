"""What a model, or a formula, says of one file, computed once and kept: the part of a metric that is worth caching."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from prismaudio.media.preprocess import View
from prismaudio.types import Audio, Frames

Tensors = Mapping[str, Tensor]


class Identity(NamedTuple):
    """What makes kept features those of this extractor and no other."""

    name: str
    version: str  # of the preprocessing; another for every change that changes a number
    digest: str  # SHA-256 of the weights; empty where there are none


class SoundExtractor(Protocol):
    """Hears one sound. Deterministic, and the same alone as among others."""

    @property
    def identity(self) -> Identity: ...

    def extract(self, audio: Audio) -> Tensors:
        """audio: stereo at the file's own rate -> named tensors"""
        ...


@runtime_checkable
class PictureExtractor(Protocol):
    """Sees one film."""

    @property
    def identity(self) -> Identity: ...

    @property
    def view(self) -> View: ...

    def extract_frames(self, frames: Frames) -> Tensors:
        """frames seen through `view` -> named tensors"""
        ...


@runtime_checkable
class FilmExtractor(Protocol):
    """Hears a sound while it sees the film."""

    @property
    def identity(self) -> Identity: ...

    @property
    def view(self) -> View: ...

    def extract_film(self, audio: Audio, frames: Frames) -> Tensors:
        """audio: stereo at the file's own rate; frames seen through `view` -> named tensors"""
        ...


@runtime_checkable
class TextExtractor(Protocol):
    """Reads one text."""

    @property
    def identity(self) -> Identity: ...

    def extract_text(self, text: str) -> Tensors:
        """-> named tensors"""
        ...


Extractor = SoundExtractor | PictureExtractor | FilmExtractor | TextExtractor
