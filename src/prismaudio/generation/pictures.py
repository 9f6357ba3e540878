"""Where pictures come from: a file, decoded as it is watched, or frames that are in memory already."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from prismaudio.media.preprocess import View
from prismaudio.media.video import Chunk, iter_view_chunks, probe
from prismaudio.planning.base import seen_through
from prismaudio.types import Frames

CHUNK_SECONDS = 10.0  # of pictures held at a time


class Film(Protocol):
    """Moving pictures that can be watched once per call."""

    seconds: float

    def watch(self, views: Mapping[str, View], seconds: float) -> Iterator[Chunk]:
        """The first `seconds` through every view, a stretch at a time."""
        ...


class FileFilm:
    """A video file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds = probe(path).duration

    def watch(self, views: Mapping[str, View], seconds: float) -> Iterator[Chunk]:
        return iter_view_chunks(self.path, views, CHUNK_SECONDS, duration=seconds)


class FramesFilm:
    """Pictures in memory, of any size and rate."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.seconds = frames.duration

    def watch(self, views: Mapping[str, View], seconds: float) -> Iterator[Chunk]:
        shown = {name: seen_through(view, self.frames, seconds) for name, view in views.items()}
        yield Chunk(0.0, shown)


def open_film(video: Path | str | Frames) -> Film:
    return FramesFilm(video) if isinstance(video, Frames) else FileFilm(Path(video))
