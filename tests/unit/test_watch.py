"""Watching in pieces."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from media_clips import noise, write_clip

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.backends.embedded.recogniser import Looks
from prismaudio.generation import pictures as room
from prismaudio.generation.pictures import FileFilm, FramesFilm
from prismaudio.generation.watch import Eyes, watch
from prismaudio.media.preprocess import View
from prismaudio.media.video import read_views
from prismaudio.types import Frames


class MeanColour:
    """An image network that remembers the mean colour of each of five columns."""

    def maps(self, frames: Frames) -> torch.Tensor:
        parts = np.split(frames.images.astype(np.float32) / 255, 5, axis=2)
        return torch.from_numpy(np.stack([part.mean(axis=(1, 2)) for part in parts], axis=-1))[:, :, None]

    def image_classes(self, columns: torch.Tensor) -> torch.Tensor:
        return columns.mean(dim=1)


def brightness(places: Frames, fine: Frames, maps: torch.Tensor, start: float) -> Looks:
    """One look at every picture, which notes its second and how bright it is."""
    times = start + torch.arange(len(places.images)) / places.fps
    bright = torch.from_numpy(fine.images.mean(axis=(1, 2, 3)).astype(np.float32))
    return Looks(times, torch.zeros(len(times), 3), bright, maps.flatten(1))


@pytest.fixture
def eyes() -> Eyes:
    network = MeanColour()
    looker = SimpleNamespace(look=brightness)
    vision = SimpleNamespace(
        network=network,
        encode=lambda frames: network.maps(frames).flatten(1),
        fps=4.0,
        frame_size=(160, 112),
    )
    return Eyes(MotionEncoder(), vision, looker)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mkv", noise(58, 160, 112))  # 2.32 s


def test_chunks_see_what_one_look_sees(eyes: Eyes, clip: Path, monkeypatch: pytest.MonkeyPatch):
    whole = watch(FileFilm(clip), eyes, 2.32, lambda share: None)
    monkeypatch.setattr(room, "CHUNK_SECONDS", 0.5)
    for part, same in zip(watch(FileFilm(clip), eyes, 2.32, lambda share: None), whole, strict=True):
        torch.testing.assert_close(part, same)


def test_pictures_in_memory_are_seen_as_those_of_a_file(eyes: Eyes, clip: Path):
    frames = read_views(clip, {"all": View(25, 160, 112, "stretch")})["all"]
    in_memory = watch(FramesFilm(frames), eyes, 2.32, lambda share: None)
    for seen, same in zip(in_memory, watch(FileFilm(clip), eyes, 2.32, lambda share: None), strict=True):
        torch.testing.assert_close(seen, same)


def test_progress_reaches_one(eyes: Eyes, clip: Path):
    shares: list[float] = []
    watch(FileFilm(clip), eyes, 2.32, shares.append)
    assert shares[-1] == pytest.approx(1)
