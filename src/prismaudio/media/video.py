"""Any video in; upright pictures at constant rates out, decoded once and never held whole.

Time counts from the first picture. Slot k of a view shows the last picture that begins
before (k + 1/2) / fps, as ffmpeg's fps filter has it: moments are rounded, not delayed.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from prismaudio.errors import UnreadableVideo
from prismaudio.media.decode import (
    decoded,
    orientation,
    packets,
    picture_length,
    picture_stream,
    pictures,
    time_base,
    timestamp,
    upright,
)
from prismaudio.media.files import open_media
from prismaudio.media.preprocess import Image, View
from prismaudio.types import Frames

SEEK_MARGIN = 1  # second; indices go by the time of decoding, which comes earlier
LONGEST_STILL = 3600.0  # seconds one picture may stay; more is a damaged timestamp


@dataclass(frozen=True)
class VideoInfo:
    """What the packets of a video say, whatever its header claims."""

    duration: float  # seconds from the first picture's beginning to the last one's end
    start: Fraction  # the first picture's timestamp in the file, seconds
    width: int  # upright
    height: int
    fps: float  # average
    rotation: int  # degrees clockwise that turn the stored picture upright
    codec: str
    has_audio: bool
    notes: tuple[str, ...]  # what is wrong with the file but can be lived with


class Chunk(NamedTuple):
    """A stretch of pictures in every view."""

    start: float  # seconds from the first picture
    frames: dict[str, Frames]


def probe(path: Path | str) -> VideoInfo:
    """Read the timing of every packet, and the first picture."""
    path = Path(path)
    with open_media(path, UnreadableVideo) as container:
        stream = picture_stream(container, path)
        first, span = _scan(container, stream)
        if first is None:
            problem = f"not one picture of its {stream.codec_context.name} video could be decoded"
            raise UnreadableVideo(path, problem, "re-encode or download it again")
        turn = orientation(first, stream)
        duration = float(span.end - span.start)
        if duration <= 0 or span.longest > LONGEST_STILL:
            problem = f"its timestamps are damaged: one picture would last {float(span.longest):.0f} s"
            raise UnreadableVideo(path, problem, "re-encode or download it again")
        return VideoInfo(
            duration=duration,
            start=span.start,
            width=first.height if turn.lying else first.width,
            height=first.width if turn.lying else first.height,
            fps=span.pictures / duration,
            rotation=round(math.degrees(math.atan2(turn.b, turn.a))) % 360,
            codec=stream.codec_context.codec.canonical_name,
            has_audio=bool(container.streams.audio),
            notes=tuple(_notes(stream, span)),
        )


def read_views(
    path: Path | str, views: Mapping[str, View], *, start: float = 0.0, duration: float | None = None
) -> dict[str, Frames]:
    """int(fps * duration), at least 1, pictures for every view; the last one is held if the video ends."""
    path, info = Path(path), probe(path)
    counts = _counts(path, info, views, start, duration)
    images: dict[str, Image] = {}
    for name, slot, image in _slots(path, info, views, counts, start):
        if name not in images:
            images[name] = np.empty((counts[name], *image.shape), np.uint8)
        images[name][slot] = image
    return {name: Frames(images[name], view.fps) for name, view in views.items()}


def iter_view_chunks(
    path: Path | str,
    views: Mapping[str, View],
    seconds: float,
    *,
    start: float = 0.0,
    duration: float | None = None,
) -> Iterator[Chunk]:
    """The pictures of `read_views`, `seconds` at a time, for videos too long to hold.

    Every chunk has pictures in every view; the last one takes what is left over.
    """
    path, info = Path(path), probe(path)
    counts = _counts(path, info, views, start, duration)
    last = min(math.ceil(counts[name] / (view.fps * seconds) - 1e-6) for name, view in views.items()) - 1
    waiting: dict[str, list[Image]] = {name: [] for name in views}
    done = dict.fromkeys(views, 0)
    number = 0
    for arrived, _, image in _slots(path, info, views, counts, start):
        waiting[arrived].append(image)
        while done != counts:
            ends = counts
            if number < last:
                ends = {n: math.ceil((number + 1) * seconds * view.fps - 1e-6) for n, view in views.items()}
            if any(done[name] + len(waiting[name]) < ends[name] for name in views):
                break
            ready = {name: waiting[name][: ends[name] - done[name]] for name in views}
            waiting = {name: waiting[name][len(ready[name]) :] for name in views}
            yield Chunk(
                start + number * seconds, {n: Frames(np.stack(ready[n]), views[n].fps) for n in views}
            )
            number, done = number + 1, ends


def _counts(
    path: Path, info: VideoInfo, views: Mapping[str, View], start: float, duration: float | None
) -> dict[str, int]:
    """How many slots every view has."""
    if not 0 <= start < info.duration:
        problem = f"its picture lasts {info.duration:.2f} s, so nothing starts at {start:g} s"
        raise UnreadableVideo(path, problem, "choose another start")
    duration = info.duration - start if duration is None else duration
    # Forgive the last bit of a float: 4.6 * 25 is 114.99999999999999.
    return {name: max(1, int(view.fps * duration + 1e-6)) for name, view in views.items()}


def _slots(
    path: Path, info: VideoInfo, views: Mapping[str, View], counts: Mapping[str, int], start: float
) -> Iterator[tuple[str, int, Image]]:
    """Every slot of every view as (name, slot, image), in the order in which they become known."""
    zero = info.start + Fraction(start).limit_denominator(1_000_000)
    views = {name: view.settled(info.width, info.height) for name, view in views.items()}
    filled = dict.fromkeys(views, 0)
    with open_media(path, UnreadableVideo) as container:
        stream = picture_stream(container, path)
        stream.thread_type = "AUTO"
        if start:
            _seek(container, stream, zero)
        shown: VideoFrame | None = None
        for moment, following in chain(pictures(container, stream), [(None, None)]):
            ends = {n: counts[n] if moment is None else _slot(moment - zero, views[n].fps) for n in views}
            wanted = [name for name in views if filled[name] < min(counts[name], ends[name])]
            if shown is not None and wanted:
                picture = upright(shown, orientation(shown, stream))
                for name in wanted:
                    image, end = views[name](picture), min(counts[name], ends[name])
                    yield from ((name, slot, image) for slot in range(filled[name], end))
                    filled[name] = end
            if filled == counts:
                return
            shown = following
    raise UnreadableVideo(path, f"nothing could be decoded after {start:g} s", "choose another start")


def _slot(since_zero: Fraction, fps: float) -> int:
    """The first slot in which a picture that begins then is on screen."""
    return math.floor(since_zero * Fraction(fps).limit_denominator(1_000_000) + Fraction(1, 2))


def _seek(container: InputContainer, stream: VideoStream, moment: Fraction) -> None:
    """Jump to a key frame well before `moment`, where an index makes that reliable."""
    if container.format.name.split(",")[0] in {"mov", "matroska"}:
        with suppress(av.FFmpegError):
            container.seek(int((moment - SEEK_MARGIN) / time_base(stream)), stream=stream)


class _Span(NamedTuple):
    """When the pictures of a stream are on screen."""

    start: Fraction
    end: Fraction
    longest: Fraction  # that one picture stays
    pictures: int
    damaged: int


def _scan(container: InputContainer, stream: VideoStream) -> tuple[VideoFrame | None, _Span]:
    """The first picture that decodes, and the time from it to the end of the last packet."""
    first: VideoFrame | None = None
    begins: list[int] = []
    ends: list[int] = []
    damaged = 0
    length = max(1, round(picture_length(stream) / time_base(stream)))  # ticks, where a packet does not say
    for packet in packets(container, stream):
        if first is None:
            first = next(iter(decoded(stream, packet) or []), None)
        if packet.size and not packet.is_discard:
            moment = timestamp(packet, stream)
            begins.append(moment if moment is not None else ends[-1] if ends else 0)
            ends.append(begins[-1] + (packet.duration or length))
            damaged += packet.is_corrupt
    if first is None or not begins:
        return None, _Span(Fraction(0), Fraction(0), Fraction(0), 0, 0)
    shown = timestamp(first, stream)
    start = min(begins) if shown is None else shown
    delay = start - min(begins) if stream.container.format.name == "avi" else 0
    longest = max(after - before for before, after in pairwise(sorted([*begins, max(ends)])))
    tick = time_base(stream)
    return first, _Span(start * tick, (max(ends) + delay) * tick, longest * tick, len(begins), damaged)


def _notes(stream: VideoStream, span: _Span) -> Iterator[str]:
    promised = (stream.duration or 0) * time_base(stream)
    found = span.end - span.start
    if promised and abs(promised - found) > max(Fraction(1, 4), found / 100):
        yield f"the header promises {float(promised):.2f} s of picture, {float(found):.2f} s are there"
    if span.damaged:
        yield f"{span.damaged} of {span.pictures} pictures are damaged"
