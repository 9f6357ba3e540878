"""A scene as files that anything can play: an .mp4 with its sound, the plan that is true of it, a .wav."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import torch
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from prismaudio.errors import CannotWrite
from prismaudio.media.audio import write_audio
from prismaudio.media.mux import mux
from prismaudio.stage.corpus import SAMPLE_RATE, Corpus
from prismaudio.stage.mix import mix
from prismaudio.stage.render import FPS, iter_frames
from prismaudio.stage.scene import Scene
from prismaudio.types import Audio

Image = NDArray[np.uint8]  # (H, W, 3) RGB
OPTIONS = {
    "crf": "23",  # constant rate factor of x264: about 40 kB for a second of 320 x 224
    "threads": "1",
    "x264-params": "cpu-independent=1",  # without it equal pictures give unequal bytes, even on one machine
}


def write_scene(
    stem: Path, scene: Scene, corpus: Corpus, size: tuple[int, int], *, wav: bool = False
) -> list[Path]:
    """Write stem.mp4, stem.plan.yaml and, if wanted, stem.wav; size: (width, height) in pixels, even."""
    sound = Audio(torch.from_numpy(mix(scene)), SAMPLE_RATE)
    film, plan = stem.with_name(f"{stem.name}.mp4"), stem.with_name(f"{stem.name}.plan.yaml")
    with TemporaryDirectory() as folder:
        silent = Path(folder) / "silent.mp4"
        encode(silent, iter_frames(scene, *size), size)
        mux(silent, sound, film)
    scene.plan(corpus).save(plan)
    if not wav:
        return [film, plan]
    write_audio(stem.with_name(f"{stem.name}.wav"), sound)
    return [film, plan, stem.with_name(f"{stem.name}.wav")]


def encode(path: Path, images: Iterable[Image], size: tuple[int, int]) -> None:
    """Write H.264 at 25 frames a second, without sound; equal pictures give equal bytes."""
    if size[0] % 2 or size[1] % 2:
        raise CannotWrite(path, f"H.264 cannot store {size[0]} x {size[1]}", "give an even width and height")
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=FPS, options=OPTIONS)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for image in images:
            target.mux(stream.encode(VideoFrame.from_ndarray(image, format="rgb24")))
        target.mux(stream.encode(None))
