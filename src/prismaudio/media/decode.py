"""Getting frames out of files that may be damaged, sideways or without timestamps."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, overload

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from prismaudio.errors import NoVideoStream, UnreadableVideo
from prismaudio.media.preprocess import Image

logger = logging.getLogger(__name__)

UNKNOWN_RATE = Fraction(25)  # for pictures that come without any timing


class Orientation(NamedTuple):
    """Where a stored point belongs on screen: x' = a x + c y, y' = b x + d y (y points down)."""

    a: int
    b: int
    c: int
    d: int

    @property
    def lying(self) -> bool:
        """Width and height change places."""
        return abs(self.b) > abs(self.a)


QUARTER_TURNS = [  # clockwise
    Orientation(1, 0, 0, 1),
    Orientation(0, 1, -1, 0),
    Orientation(-1, 0, 0, -1),
    Orientation(0, -1, 1, 0),
]


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream that is not a cover image."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:  # whatever the type says: nobody knows the codec
                raise UnreadableVideo(path, "its picture is in an unknown format", "re-encode it")
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise NoVideoStream(path, f"it has no moving picture, only {kinds}", "give a video file")


def packets(container: InputContainer, *streams: Stream) -> "Iterator[Packet[Any]]":
    """All packets that can be had; the last one is empty and flushes the decoder."""
    try:
        yield from container.demux(*streams)
    except av.FFmpegError as problem:
        logger.warning("%s stops early: %s", container.name, problem.strerror)
        yield Packet()


@overload
def decoded(stream: VideoStream, packet: "Packet[VideoStream]") -> list[VideoFrame] | None: ...
@overload
def decoded(stream: AudioStream, packet: "Packet[AudioStream]") -> list[AudioFrame] | None: ...
def decoded(stream: VideoStream | AudioStream, packet: "Packet[Any]") -> list[Any] | None:
    """The frames that a packet completes; None if it is damaged."""
    try:
        return [*stream.decode(packet if packet.size else None)]
    except av.FFmpegError:
        return None


def pictures(container: InputContainer, stream: VideoStream) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Every picture that decodes, with its timestamp in seconds."""
    now = -picture_length(stream)
    damaged = 0
    for packet in packets(container, stream):
        frames = decoded(stream, packet)
        damaged += frames is None
        for frame in frames or []:
            moment = timestamp(frame, stream)
            now = now + picture_length(stream) if moment is None else moment * time_base(stream)
            yield now, frame
    if damaged:
        logger.warning("%s: %d damaged pictures were skipped", container.name, damaged)


def timestamp(timed: "VideoFrame | Packet[VideoStream]", stream: VideoStream) -> int | None:
    """When a picture is shown; AVI does not store that, and what ffmpeg guesses can be out of order."""
    if timed.pts is None or stream.container.format.name == "avi":
        return timed.dts
    return timed.pts


def time_base(stream: VideoStream) -> Fraction:
    return stream.time_base or 1 / UNKNOWN_RATE


def picture_length(stream: VideoStream) -> Fraction:
    """Seconds one picture lasts where the file does not say."""
    return 1 / (stream.average_rate or stream.guessed_rate or UNKNOWN_RATE)


def orientation(frame: VideoFrame, stream: VideoStream) -> Orientation:
    """From the display matrix, or from the `rotate` tag of older files."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # some other side data is of a kind that PyAV does not know
        return QUARTER_TURNS[round(-frame.rotation / 90) % 4]
    if isinstance(matrix, SideData):
        a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
        return Orientation(a, b, c, d)
    tag = stream.metadata.get("rotate", "")
    return QUARTER_TURNS[round(int(tag) / 90) % 4 if tag.lstrip("-").isdecimal() else 0]


def upright(frame: VideoFrame, turn: Orientation) -> Image:
    """The picture as it is meant to be seen."""
    image = frame.to_ndarray(format="rgb24", threads=1)  # more only wait for each other
    if turn.lying:
        image = image.swapaxes(0, 1)
    across, down = (turn.c, turn.b) if turn.lying else (turn.a, turn.d)
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
