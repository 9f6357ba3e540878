"""Watching in pieces."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from media_clips import noise, write_clip

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.generation import watch as room
from prismaudio.generation.watch import watch, watch_frames
from prismaudio.media.preprocess import View
from prismaudio.media.video import read_views
from prismaudio.types import Frames


class MeanColour:
    """An image network that remembers the mean colour of each of five columns."""

    def columns(self, frames: Frames) -> torch.Tensor:
        parts = np.split(frames.images.astype(np.float32) / 255, 5, axis=2)
        return torch.from_numpy(np.stack([part.mean(axis=(1, 2)) for part in parts], axis=1))

    def image_classes(self, columns: torch.Tensor) -> torch.Tensor:
        return columns.mean(dim=1)


@pytest.fixture
def model() -> SimpleNamespace:
    network = MeanColour()
    vision = SimpleNamespace(
        network=network,
        encode=lambda frames: network.columns(frames).flatten(1),
        fps=4.0,
        frame_size=(160, 112),
    )
    return SimpleNamespace(motion=MotionEncoder(), vision=vision)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mkv", noise(58, 160, 112))  # 2.32 s


def test_chunks_see_what_one_look_sees(model: SimpleNamespace, clip: Path, monkeypatch: pytest.MonkeyPatch):
    whole = watch(clip, model, 2.32, lambda share: None)
    monkeypatch.setattr(room, "CHUNK_SECONDS", 0.5)
    for part, same in zip(watch(clip, model, 2.32, lambda share: None), whole, strict=True):
        torch.testing.assert_close(part, same)


def test_pictures_in_memory_are_seen_as_those_of_a_file(model: SimpleNamespace, clip: Path):
    frames = read_views(clip, {"all": View(25, 160, 112, "stretch")})["all"]
    for seen, same in zip(
        watch_frames(frames, model), watch(clip, model, 2.32, lambda share: None), strict=True
    ):
        torch.testing.assert_close(seen, same)


def test_progress_reaches_one(model: SimpleNamespace, clip: Path):
    shares: list[float] = []
    watch(clip, model, 2.32, shares.append)
    assert shares[-1] == pytest.approx(1)
