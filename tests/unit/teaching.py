"""Small videos of eight seconds, and a folder of annotations about them."""

from pathlib import Path

import numpy as np
from planned_clips import SECONDS, answer

from prismaudio.planning.footage import encoded
from prismaudio.planning.wire import read
from prismaudio.types import Frames

FPS = 2.0


def write_video(path: Path, number: int = 0) -> Path:
    """Grey pictures with a white square whose place depends on the number."""
    images = np.full((int(SECONDS * FPS), 32, 48, 3), 60, np.uint8)
    images[:, 8:24, 2 * number : 2 * number + 12] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(Frames(images, FPS)))
    return path


def write_videos(folder: Path, count: int) -> list[Path]:
    return [write_video(folder / f"clip{number}.mp4", number) for number in range(count)]


def write_taught(folder: Path, count: int) -> None:
    """Videos with a plan beside each."""
    for number, video in enumerate(write_videos(folder, count)):
        plan = read(answer().replace("woodpecker", ("woodpecker", "hammer", "dog")[number % 3]), SECONDS)
        plan.save(video.with_name(f"{video.stem}.plan.yaml"))
