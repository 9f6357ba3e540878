"""Plans of many clips in one file: a JSON object per line, which survives whatever interrupts its writing.

Lines are only ever added. A line that was torn by a crash is cut off when the file is opened again, and of two lines
about one question the later one counts.
"""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from pydantic import Field, NonNegativeFloat, NonNegativeInt, ValidationError

from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan, problems
from prismaudio.errors import CannotWrite, PrismAudioError
from prismaudio.media.files import replacing
from prismaudio.planning.base import ENGLISH

T = TypeVar("T")

log = logging.getLogger(__name__)


class BadAnnotations(PrismAudioError):
    """A file of annotations that cannot be read."""


class Key(NamedTuple):
    """Equal questions about equal bytes."""

    content: str
    teacher: str
    prompt: str


class Annotation(Config):
    """What a teacher said about one clip, or why it said nothing."""

    id: str
    video: str = Field(description="path, relative to the folder of the annotations")
    sha256: str | None = Field(None, description="of the video's bytes; None if they cannot be read")
    start: NonNegativeFloat = Field(0.0, description="seconds into the video; clips begin with their file")
    duration: NonNegativeFloat = Field(0.0, description="seconds; 0 if the video cannot be read")
    teacher: str = Field(description="the planner and the model it asks")
    prompt: str = Field("", description="hash of what was asked, measurements left out")
    hint: str = ""
    avoid: tuple[str, ...] = ()
    language: str = ENGLISH
    plan: Plan | None = None
    thoughts: dict[str, str] = Field({}, description="the four paragraphs, with numbers")
    read: NonNegativeInt = Field(0, description="tokens, all answers together")
    written: NonNegativeInt = 0
    seconds: NonNegativeFloat = Field(0.0, description="that it took")
    cost: NonNegativeFloat | None = Field(None, description="of the tokens, in the currency of the prices")
    error: str | None = None

    @property
    def key(self) -> Key:
        return Key(self.sha256 or self.video, self.teacher, self.prompt)

    def to_line(self) -> bytes:
        values = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(values, ensure_ascii=False).encode() + b"\n"

    def video_of(self, annotations: Path) -> Path:
        """The video of a line of this file."""
        return Path(os.path.normpath(annotations.parent / self.video))


class Standing(Generic[T]):
    """Which lines count: the last about each question.

    A failure counts until the teacher is asked about the clip again, a plan until its video is another.
    """

    def __init__(self) -> None:
        self.found: dict[Key, T] = {}
        self.failed: dict[tuple[str, str], Key] = {}  # a clip and a teacher who failed at it
        self._contents: dict[
            tuple[str, str], set[Key]
        ] = {}  # a video's path and a teacher -> what counts of it

    def take(self, row: Annotation, value: T) -> None:
        here = self._contents.setdefault((row.video, row.teacher), set())
        gone = {key for key in here if key.content != row.key.content}
        failure = self.failed.pop(row.key[:2], None)
        for key in gone | {row.key} | ({failure} if failure else set()):
            self.found.pop(key, None)
        here -= gone
        here.add(row.key)
        self.found[row.key] = value
        if row.error is not None:
            self.failed[row.key[:2]] = row.key


class Ledger:
    """The file, open for more."""

    def __init__(self, path: Path) -> None:
        """Begin it, or continue it after its last whole line."""
        self.path = path
        self._lock = Lock()
        self._standing: Standing[int] = Standing()  # -> the number of the line
        self._count = 0
        try:
            if path.exists():
                mend(path)
            path.touch()
        except OSError as error:
            raise CannotWrite(
                path, (error.strerror or "").lower(), "choose a place you can write to"
            ) from error
        for row in annotations(path):
            self._take(row)

    def add(self, row: Annotation) -> None:
        """On the disk when this returns, even if the power fails next. Threads may call it at once."""
        with self._lock:
            try:
                with self.path.open("ab") as file:
                    file.write(row.to_line())
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise CannotWrite(self.path, (error.strerror or "").lower(), "free some space") from error
            self._take(row)

    def answered(self, key: Key) -> bool:
        return key in self._standing.found and not self.failed(key)

    def failed(self, key: Key) -> bool:
        return self._standing.failed.get(key[:2]) == key

    def tidy(self) -> None:
        """Without the lines that a later one made obsolete."""
        kept = set(self._standing.found.values())
        if len(kept) == self._count:
            return
        with replacing(self.path) as beside, beside.open("wb") as file, self.path.open("rb") as old:
            file.writelines(line for number, line in enumerate(old) if number in kept)
        numbers = {number: position for position, number in enumerate(sorted(kept))}
        self._standing.found = {key: numbers[number] for key, number in self._standing.found.items()}
        self._count = len(kept)

    def _take(self, row: Annotation) -> None:
        self._standing.take(row, self._count)
        self._count += 1


def annotations(path: Path) -> Iterator[Annotation]:
    """The lines of a file; what a crash left of its last one is passed over."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                row = _read(line)
                if isinstance(row, Annotation):
                    yield row
                elif line.endswith(b"\n"):
                    raise BadAnnotations(f"{path}, line {number}: {row}; mend the line, or delete it")
                else:
                    log.warning("the last line of %s is torn and was left out", path.name)
    except OSError as error:
        raise BadAnnotations(
            f"cannot read {path}: {(error.strerror or '').lower()}; check the path"
        ) from error


def _read(line: bytes) -> Annotation | str:
    """The annotation, or what is wrong with the line."""
    try:
        return Annotation.model_validate_json(line)
    except ValidationError as error:
        return problems(error)[0]


def mend(path: Path) -> None:
    """Cut a torn last line off; end a whole one."""
    last = b"\n"
    with path.open("rb") as file:
        for last in file:  # noqa: B007  # only the last one matters
            pass
    if last.endswith(b"\n"):
        return
    with path.open("r+b") as file:
        if isinstance(_read(last), Annotation):
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
        else:
            file.truncate(path.stat().st_size - len(last))
            log.warning("cut the torn last line off %s", path.name)


def latest(path: Path) -> list[Annotation]:
    """The lines that count, in their order."""
    standing: Standing[Annotation] = Standing()
    for row in annotations(path):
        standing.take(row, row)
    return list(standing.found.values())
