"""Small clips made on the spot; picture number i is a flat grey of level 10 * i."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from prismaudio.types import Audio

MILLISECOND = Fraction(1, 1000)
LOSSLESS = {
    "libx264": {"qp": "0", "bf": "0"},
    "mpeg4": {"q": "1"},
    "libvpx-vp9": {"lossless": "1", "cpu-used": "8"},
}


def grey(level: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def corners(width: int = 64, height: int = 48) -> np.ndarray:
    """Red, green, blue and white quarters, from the upper left to the lower right."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2, 0] = 255
    image[: height // 2, width // 2 :, 1] = 255
    image[height // 2 :, : width // 2, 2] = 255
    image[height // 2 :, width // 2 :] = 255
    return image


def noise(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


def write_clip(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    milliseconds: Sequence[int] | None = None,
    fps: int = 25,
    codec: str = "libx264",
    rotation: tuple[float, bool] = (0, False),
    sound: Audio | None = None,
    **options: str,
) -> Path:
    """Encode `images`, each shown from its moment on (default: a constant rate).

    rotation: degrees counter-clockwise, then mirrored or not; options: the encoder's.
    """
    moments = milliseconds or [i * 1000 // fps for i in range(len(images))]
    with av.open(
        path, "w", container_options={"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    ) as out:
        stream = out.add_stream(codec, rate=fps, options=LOSSLESS.get(codec, {}) | options)
        stream.thread_count = 1
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p" if stream.height % 2 == stream.width % 2 == 0 else "yuv444p"
        # AVI counts pictures, the others keep milliseconds
        tick = Fraction(1, fps) if path.suffix == ".avi" else MILLISECOND
        stream.codec_context.time_base = tick
        if rotation != (0, False):
            stream.set_display_rotation(rotation[0], hflip=rotation[1])
        track = out.add_stream("aac" if path.suffix == ".mp4" else "pcm_s16le", rate=44100) if sound else None
        for image, moment in zip(images, moments, strict=True):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = round(moment * MILLISECOND / tick), tick
            frame.duration = round(Fraction(1, fps) / tick)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if track and sound:
            for begin in range(0, sound.samples.shape[1], 1024):
                block = sound.samples[:, begin : begin + 1024].contiguous().numpy()
                frame = av.AudioFrame.from_ndarray(block, "fltp", "stereo")
                frame.sample_rate, frame.pts = 44100, begin
                out.mux(track.encode(frame))
            out.mux(track.encode())
    return path


def write_greys(path: Path, count: int, **choices: Any) -> Path:
    return write_clip(path, [grey(10 * i) for i in range(count)], **choices)


def shown(images: np.ndarray) -> list[int]:
    """Which pictures of a grey clip these are."""
    return [round(float(image.mean()) / 10) for image in images]


def hiss(seconds: float, sample_rate: int = 44100) -> Audio:
    samples = torch.randn(2, round(seconds * sample_rate), generator=torch.Generator().manual_seed(0))
    return Audio(samples * 0.2, sample_rate)


def packets(path: Path, kind: str = "video") -> list[bytes]:
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux(**{kind: 0}) if packet.size]


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Stands in for a full disk: the system refuses to write on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
