"""Encoders of a model that does not fit as a whole: each is on the device while it works, and not otherwise."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from prismaudio.backends.base import SyncEncoder, TextEncoder, VideoEncoder
from prismaudio.generation.memory import Placement
from prismaudio.generation.published import Encoders
from prismaudio.media.preprocess import View
from prismaudio.types import Frames


class Movable(Protocol):
    """Something with a network that can be moved."""

    @property
    def network(self) -> nn.Module: ...


class MovableVideo(VideoEncoder, Movable, Protocol): ...


class MovableSync(SyncEncoder, Movable, Protocol): ...


class MovableText(TextEncoder, Movable, Protocol): ...


@dataclass(frozen=True)
class PlacedPictures:
    """A `VideoEncoder` or `SyncEncoder` that comes to the device to encode."""

    encoder: MovableVideo | MovableSync
    placement: Placement
    stage: str

    @property
    def name(self) -> str:
        return self.encoder.name

    @property
    def view(self) -> View:
        return self.encoder.view

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def encode(self, frames: Frames) -> Tensor:
        with self.placement.on_device(self.stage, self.encoder.network):
            return self.encoder.encode(frames)


@dataclass(frozen=True)
class PlacedText:
    """A `TextEncoder` that comes to the device to encode."""

    encoder: MovableText
    placement: Placement

    @property
    def name(self) -> str:
        return self.encoder.name

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def encode(self, text: str) -> Tensor:
        with self.placement.on_device("text", self.encoder.network):
            return self.encoder.encode(text)


def placed(video: MovableVideo, sync: MovableSync, text: MovableText, placement: Placement) -> Encoders:
    """All three, wherever the placement lets them stay."""
    return Encoders(
        PlacedPictures(video, placement, "vision"),
        PlacedPictures(sync, placement, "sync"),
        PlacedText(text, placement),
    )
