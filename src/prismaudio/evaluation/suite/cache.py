"""Features of files, kept by the content of the file and what extracted them, so that nothing stale is ever reused."""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from prismaudio.backends.extractor import Identity, Tensors
from prismaudio.models.checkpoints import CheckpointError, read_tensors, save_tensors

BLOCK = 1 << 20  # bytes hashed at a time
log = logging.getLogger(__name__)


def default_folder() -> Path:
    """Where features are kept unless somebody says otherwise."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "prismaudio" / "features"


class FeatureCache:
    """One safetensors file for every file, extractor and way of reading; interrupted work is found again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, content: str, identity: Identity, reading: str) -> Path:
        """content: SHA-256 of the file's bytes; reading: how much of it is read, and at which level."""
        key = hashlib.sha256("\n".join((content, *identity, reading)).encode()).hexdigest()
        return self.folder / key[:2] / f"{key}.safetensors"

    def load(self, content: str, identity: Identity, reading: str) -> Tensors | None:
        """None if it was never computed, or what was kept is damaged."""
        path = self.path(content, identity, reading)
        if not path.is_file():
            return None
        try:
            return read_tensors(path)
        except CheckpointError as problem:
            log.warning("%s; computing it again", str(problem).partition(";")[0])
            return None

    def get(self, content: str, identity: Identity, reading: str, compute: Callable[[], Tensors]) -> Tensors:
        """What is kept, else what `compute` gives, which is kept from then on."""
        kept = self.load(content, identity, reading)
        if kept is not None:
            return kept
        computed = compute()
        path = self.path(content, identity, reading)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_tensors(path, computed, {"extractor": " ".join(identity), "reading": reading})
        return computed


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
