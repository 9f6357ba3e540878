"""What was computed of a film once, kept by the film's content: the same pictures are never looked at twice."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from prismaudio.models.checkpoints import CheckpointError, read_tensors, save_tensors
from prismaudio.types import Frames

FEATURES = "features"


@dataclass(frozen=True, eq=False)
class StoredFrames(Frames):
    """Pictures on disk, not read before they are looked at, whose digest is known."""

    digest: str


def content_key(frames: Frames, *versions: str) -> str:
    """The SHA-256 of decoded pictures, their rate and size, and of what will be done with them."""
    return hashlib.sha256("\n".join([*versions, film_digest(frames)]).encode()).hexdigest()


def film_digest(frames: Frames) -> str:
    """The SHA-256 of decoded pictures, their rate and size."""
    if isinstance(frames, StoredFrames):
        return frames.digest
    digest = hashlib.sha256(f"{frames.fps!r}\n{frames.images.shape!r}".encode())
    digest.update(frames.images.data if frames.images.flags.c_contiguous else frames.images.tobytes())
    return digest.hexdigest()


class ContentCache:
    """A few results in memory, and all of them in a folder if there is one."""

    def __init__(self, folder: Path | None = None, in_memory: int = 32) -> None:
        self.folder = folder
        self.in_memory = in_memory
        self._held: OrderedDict[str, Tensor] = OrderedDict()

    def get(self, key: str, compute: Callable[[], Tensor]) -> Tensor:
        """What is kept under `key`, or else what `compute` gives, which is kept from now on."""
        features = self._held.get(key)
        if features is None:
            features = self._stored(key)
        if features is None:
            features = compute()
            self._store(key, features)
        self._held[key] = features
        self._held.move_to_end(key)
        while len(self._held) > self.in_memory:
            self._held.popitem(last=False)
        return features

    def _stored(self, key: str) -> Tensor | None:
        """From the folder; a damaged file counts as none, and is written anew."""
        if self.folder is None or not self._path(key).is_file():
            return None
        try:
            return read_tensors(self._path(key)).get(FEATURES)
        except CheckpointError:
            return None

    def _store(self, key: str, features: Tensor) -> None:
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_tensors(self._path(key), {FEATURES: features}, {})

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.safetensors"
