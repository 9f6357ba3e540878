"""Puts a sound under a picture without touching the picture: its packets are copied one by one."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from prismaudio.errors import CannotWrite, UnknownChoice, UnreadableVideo
from prismaudio.media.audio import fit_length, resample
from prismaudio.media.decode import packets, picture_stream
from prismaudio.media.files import open_media, replacing
from prismaudio.media.video import probe
from prismaudio.types import Audio

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Codec:
    """How ffmpeg calls a codec, and what it needs."""

    encoder: str
    bitrate: int | None = None  # bits per second; None where it follows from the samples
    sample_rate: int | None = None  # the only one it takes


@dataclass(frozen=True)
class FileKind:
    """How ffmpeg calls a kind of video file, and the sound codecs for it, the default first."""

    format: str
    codecs: list[str]


CODECS = {
    "aac": Codec("aac", bitrate=256_000),
    "opus": Codec("libopus", bitrate=192_000, sample_rate=48_000),
    "flac": Codec("flac"),
    "pcm": Codec("pcm_s16le"),
}
FILE_KINDS = {
    ".mp4": FileKind("mp4", ["aac", "opus"]),
    ".m4v": FileKind("mp4", ["aac"]),
    ".mov": FileKind("mov", ["aac", "pcm"]),
    ".mkv": FileKind("matroska", ["opus", "aac", "flac", "pcm"]),
    ".webm": FileKind("webm", ["opus"]),
    ".avi": FileKind("avi", ["pcm"]),
}
NOT_IN_AVI = {"vp8", "vp9", "av1", "hevc"}  # ffmpeg would write them, hardly anything plays them
OLD_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder"}  # true of the old file only
KEPT_TAGS = ["language", "title", "rotate"]  # of a stream

BLOCK = 1024  # samples


def mux(
    video_path: Path | str,
    audio: Audio,
    out_path: Path | str,
    *,
    codec: str | None = None,
    bitrate: int | None = None,
    keep_original: bool = False,
) -> None:
    """Write the video with `audio` as its sound, beginning and ending with the picture.

    Pictures, subtitles, chapters and tags are copied; the original sound only on request,
    as a further track. Opus in .mkv and .webm, FLAC and PCM have exactly the length of the
    picture. AAC comes in blocks of 1024 samples: .mp4 and .mov note the exact length, but
    decoders that ignore the note, and .mkv, end with up to a block of silence.
    """
    video_path, out_path = Path(video_path), Path(out_path)
    kind, chosen = _choose(out_path, codec)
    info = probe(video_path)
    if out_path.exists() and out_path.samefile(video_path):
        raise CannotWrite(out_path, "it is the input video itself", "choose another name")
    sound = fit_length(resample(audio, chosen.sample_rate or audio.sample_rate), info.duration)
    options = {}
    if kind.format in {"mp4", "mov"}:  # ready to stream, and lengths noted to the sample
        options = {"movflags": "+faststart", "movie_timescale": str(sound.sample_rate)}
    with open_media(video_path, UnreadableVideo) as source, replacing(out_path) as temporary:
        picture = picture_stream(source, video_path)
        _refuse_unplayable(picture, source, out_path)
        wanted = [picture, *(source.streams.audio if keep_original else ())]
        with (
            _naming_misfits(wanted, source, out_path),
            av.open(f"file:{temporary}", "w", format=kind.format, container_options=options) as target,
        ):
            _write(source, target, wanted, _new_track(target, chosen, sound, bitrate), sound, info.start)


def _choose(out_path: Path, codec: str | None) -> tuple[FileKind, Codec]:
    suffix = out_path.suffix.lower()
    if suffix not in FILE_KINDS:
        raise UnknownChoice("video file ending", out_path.suffix, list(FILE_KINDS))
    kind = FILE_KINDS[suffix]
    if codec is not None and codec not in kind.codecs:
        raise UnknownChoice(f"sound codec for {suffix} files", codec, kind.codecs)
    return kind, CODECS[codec or kind.codecs[0]]


def _refuse_unplayable(picture: VideoStream, source: InputContainer, out_path: Path) -> None:
    """Some pictures ffmpeg copies without a word into a file that hardly anything plays."""
    name, context = _name(picture), picture.codec_context
    length_prefixed = name == "h264" and (context.extradata or b"").startswith(b"\x01")
    if out_path.suffix.lower() == ".avi":
        if length_prefixed or name in NOT_IN_AVI:
            raise _misfit([picture], source, out_path)
    elif source.format.name == "avi" and name == "h264" and context.has_b_frames:
        problem = "H.264 pictures from an .avi file do not say in which order they are shown"
        raise CannotWrite(out_path, problem, "choose the ending .avi")


@contextmanager
def _naming_misfits(streams: list[Stream], source: InputContainer, out_path: Path) -> Iterator[None]:
    """Say which codecs a kind of file cannot hold, where ffmpeg only says no."""
    try:
        yield
    except (av.FFmpegError, ValueError) as problem:
        if isinstance(problem, OSError):  # a full disk, a missing folder
            raise
        raise _misfit(streams, source, out_path) from problem


def _misfit(streams: list[Stream], source: InputContainer, out_path: Path) -> CannotWrite:
    endings = dict.fromkeys([_path(source).suffix.lower(), ".mkv"])
    others = [ending for ending in endings if ending in FILE_KINDS and ending != out_path.suffix.lower()]
    return CannotWrite(
        out_path,
        f"this kind of file cannot hold {' and '.join(map(_name, streams))}",
        (f"choose {' or '.join(others)}, or " if others else "") + "re-encode the picture as h264",
    )


def _new_track(target: OutputContainer, codec: Codec, sound: Audio, bitrate: int | None) -> AudioStream:
    track = target.add_stream(codec.encoder, rate=sound.sample_rate)
    assert isinstance(track, AudioStream)
    track.layout = "mono" if len(sound.samples) == 1 else "stereo"
    if codec.bitrate:
        track.bit_rate = bitrate or codec.bitrate
    return track


def _write(
    source: InputContainer,
    target: OutputContainer,
    wanted: list[Stream],
    track: AudioStream,
    sound: Audio,
    start: Fraction,
) -> None:
    """Copied packets and new sound, interleaved by time."""
    copies = _copied_streams(source, target, wanted)
    target.start_encoding()
    copied, encoded = _copied_packets(source, copies), _encoded_packets(track, sound, start)
    for packet in merge(copied, encoded, key=_moment):
        target.mux(packet)


def _copied_streams(
    source: InputContainer, target: OutputContainer, wanted: list[Stream]
) -> dict[int, Stream]:
    """Streams of the target by the index of the stream each one copies; subtitles if they fit."""
    copies = {stream.index: target.add_stream_from_template(stream, opaque=True) for stream in wanted}
    for subtitles in source.streams.subtitles:
        try:
            copies[subtitles.index] = target.add_stream_from_template(subtitles)
        except ValueError:
            logger.warning("%s: its subtitles do not fit into the new kind of file", source.name)
    for index, copy in copies.items():
        tags = source.streams[index].metadata
        copy.metadata.update({key: tags[key] for key in KEPT_TAGS if key in tags})
    tags = source.metadata
    target.metadata.update({key: tags[key] for key in tags if key.lower() not in OLD_TAGS})
    if chapters := source.chapters():
        target.set_chapters(chapters)
    return copies


def _copied_packets(source: InputContainer, copies: dict[int, Stream]) -> "Iterator[Packet[Any]]":
    """The packets of the copied streams; decoding times that are missing at the start are counted back."""
    waiting: dict[int, list[Packet[Any]]] = {index: [] for index in copies}
    for packet in packets(source, *(source.streams[index] for index in copies)):
        if packet.size == 0:
            continue
        held = waiting[packet.stream.index]
        held.append(packet)
        if packet.dts is None:
            continue
        for distance, early in enumerate(reversed(held)):
            early.dts = packet.dts - distance * (packet.duration or 1)
            early.pts = early.dts if early.pts is None else early.pts
        for complete in held:
            complete.stream = copies[complete.stream.index]
        yield from held
        held.clear()
    for held in waiting.values():
        decode_in_order(held, _path(source))
        for packet in held:
            packet.stream = copies[packet.stream.index]
        yield from held


def _encoded_packets(track: AudioStream, sound: Audio, start: Fraction) -> "Iterator[Packet[Any]]":
    """The new sound, beginning at `start`."""
    samples = sound.samples.detach().float().cpu().numpy()
    offset = round(start * sound.sample_rate)
    for begin in range(0, samples.shape[1], BLOCK):
        block = np.ascontiguousarray(samples[:, begin : begin + BLOCK])
        frame = AudioFrame.from_ndarray(block, format="fltp", layout=track.layout.name)
        frame.sample_rate = sound.sample_rate
        frame.time_base = Fraction(1, sound.sample_rate)
        frame.pts = offset + begin
        yield from track.encode(frame)
    yield from track.encode(None)


def _path(source: InputContainer) -> Path:
    return Path(source.name.removeprefix("file:"))


def _name(stream: Stream) -> str:
    return stream.codec_context.codec.canonical_name


def _moment(packet: "Packet[Any]") -> Fraction:
    return (packet.dts or 0) * packet.time_base


def decode_in_order(packets: "Sequence[Packet[Any]]", path: Path) -> None:
    """Give packets that know only when they are shown the times at which to decode them.

    They come in decoding order, so the n-th is decoded at the n-th moment of showing, moved early enough that none is
    shown before it was decoded. Short Matroska files with B-frames need this.
    """
    shown = [packet.pts for packet in packets if packet.pts is not None]
    if len(shown) < len(packets):
        raise UnreadableVideo(path, "its pictures carry no timestamps", "convert it to .mp4 first")
    moments = sorted(shown)
    lead = max((moment - pts for moment, pts in zip(moments, shown, strict=True)), default=0)
    for packet, moment in zip(packets, moments, strict=True):
        packet.dts = moment - lead
