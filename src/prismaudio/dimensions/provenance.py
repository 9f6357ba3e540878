"""Who wrote a plan, with what, and about which file: a plan of another video is noticed."""

import hashlib
from datetime import date
from pathlib import Path

from pydantic import Field

from prismaudio.dimensions.thought import Part
from prismaudio.errors import PrismAudioError


class UnreadableFile(PrismAudioError):
    """A file whose bytes cannot be read."""


class Provenance(Part):
    """Two are equal if the same author wrote about the same file, on whatever day."""

    planner: str = "unknown"
    video_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="of the file's bytes")
    versions: dict[str, str] = Field({}, description="what wrote it -> its version")
    written: date | None = None
    notes: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Provenance):
            return NotImplemented
        return self.model_dump(exclude={"written"}) == other.model_dump(exclude={"written"})

    def __hash__(self) -> int:
        return hash((self.planner, self.video_sha256, self.notes))

    def mismatch(self, video: Path) -> str | None:
        """A note, if the plan was written about other bytes than those of `video`."""
        if self.video_sha256 is None or sha256_of(video) == self.video_sha256:
            return None
        return f"the plan was written by {self.planner} for another video than {video.name}"


def sha256_of(path: Path) -> str:
    """Of the bytes of a file, in hexadecimal digits."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableFile(f"cannot read {path}: {error.strerror}; check the path") from error
