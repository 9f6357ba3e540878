"""Small benchmarks of films and sounds that were made on the spot."""

from pathlib import Path

import numpy as np
from media_clips import write_clip
from suite_folders import sound

from prismaudio.evaluation.canvas.manifest import Entry, Manifest
from prismaudio.evaluation.suite.cache import digest_of
from prismaudio.media.audio import write_audio
from prismaudio.types import Audio


def face(seed: int, shift: int = 0) -> list[np.ndarray]:
    """Three seconds of a picture that no other seed has; something moves over it."""
    rng = np.random.default_rng(seed)
    picture = np.kron(rng.integers(0, 255, (8, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    images = []
    for number in range(30):
        image = picture.copy()
        left = (number * 3 + shift) % 48
        image[20:28, left : left + 8] = 255
        images.append(image)
    return images


def write_film(path: Path, seed: int, **choices: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_clip(path, face(seed), fps=10, **choices)


def entry(folder: Path, name: str, seed: int, audio: Audio | None = None, **fields: object) -> Entry:
    """A film and a sound of this seed, written into `folder`, and what a manifest says of them."""
    film, heard = write_film(folder / "videos" / f"{name}.mp4", seed), folder / "references" / f"{name}.wav"
    heard.parent.mkdir(parents=True, exist_ok=True)
    write_audio(heard, audio or sound(seed, 3.0))
    told = {"event": "single", "classes": ("dog",), "caption": "a dog barking"} | fields
    return Entry(
        id=name,
        video=f"videos/{name}.mp4",
        sha256=digest_of(film),
        audio=f"references/{name}.wav",
        audio_sha256=digest_of(heard),
        **told,
    )


def benchmark(folder: Path, entries: list[Entry]) -> Manifest:
    manifest = Manifest.of(folder / "manifest.jsonl", "small", entries)
    manifest.save()
    return manifest
