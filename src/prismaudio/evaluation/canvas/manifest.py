"""A benchmark as a file: a head, then one clip a line, whoever collected them and from wherever.

Every path is relative to the manifest, every file is known by its SHA-256, and whatever is wrong is told by its line.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, ValidationError, model_validator

from prismaudio.config import Config
from prismaudio.dimensions.parse import parse
from prismaudio.dimensions.plan import DIMENSIONS, Plan, arranged, problems
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.suite.cache import digest_of
from prismaudio.media.files import replacing

FORMAT = "prismaudio-canvas/1"
Event = Literal["single", "multi"]
TextKind = Literal["caption", "semantic", "thoughts", "classes"]


class BadManifest(PrismAudioError):
    """A manifest that cannot be read, contradicts itself, or belongs to other files."""


class Head(Config):
    """The first line: what the benchmark is, and from what it can be made again."""

    format: Literal["prismaudio-canvas/1"] = "prismaudio-canvas/1"
    name: str = Field(min_length=1)
    clips: NonNegativeInt = Field(description="lines that follow; fewer means the file was cut")
    truth: bool = Field(False, description="plans tell what happened, not what somebody wrote about it")
    made_by: dict[str, str] = Field({}, description="setting or package -> its value")


class Entry(Config):
    """One clip."""

    id: str = Field(min_length=1, max_length=200)
    video: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the video's bytes")
    start: NonNegativeFloat = Field(0.0, allow_inf_nan=False, description="seconds into the video")
    end: PositiveFloat | None = Field(None, allow_inf_nan=False, description="seconds; None: to its end")
    event: Event | None = Field(None, description="whether one thing sounds or several; None: not known")
    classes: tuple[str, ...] = ()
    caption: str = ""
    cot: dict[str, str] | str = Field("", description="the thoughts: a paragraph a dimension, or one text")
    plan: str | None = Field(None, description="a file with the thoughts as data")
    audio: str | None = Field(None, description="the true sound; may be the video itself")
    audio_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    source: str = Field("", description="where the clip is from: an address, a licence")
    split: str = ""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.id.startswith(".") or {"/", "\\", "\n", "\0"} & set(self.id):
            raise ValueError(f"id {self.id!r} cannot be the name of a file")
        for name in ("video", "plan", "audio"):
            path = getattr(self, name)
            if path is not None and (not path or PurePosixPath(path).is_absolute()):
                raise ValueError(f"{name}: {path!r} is not relative to the manifest")
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"end {self.end:g} does not come after start {self.start:g}")
        if self.event == "single" and len(self.classes) > 1:
            raise ValueError(f"a single event of {len(self.classes)} classes")
        if (self.audio is None) is not (self.audio_sha256 is None):
            raise ValueError("audio and audio_sha256 come together")
        if unknown := sorted(set(self.cot) - set(DIMENSIONS)) if isinstance(self.cot, dict) else []:
            raise ValueError(f"cot names {unknown}; known: {list(DIMENSIONS)}")
        return self

    @property
    def whole(self) -> bool:
        """Whether the clip is all of its video."""
        return self.start == 0 and self.end is None

    @property
    def thoughts(self) -> str:
        """The chain of thoughts as one text; four paragraphs are tagged."""
        return self.cot if isinstance(self.cot, str) else arranged(self.cot, "tagged")


class Manifest(NamedTuple):
    """A benchmark and where it lies."""

    path: Path
    head: Head
    entries: tuple[Entry, ...]

    @classmethod
    def of(
        cls, path: Path, name: str, entries: Sequence[Entry], *, truth: bool = False,
        made_by: Mapping[str, str] | None = None,
    ) -> Self:  # fmt: skip
        """A new one, not yet written; names must differ."""
        _check_ids(enumerate(entries, start=2), path)
        head = Head(name=name, clips=len(entries), truth=truth, made_by=dict(made_by or {}))
        return cls(path, head, tuple(entries))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and check; `BadManifest` names the line and the field. Media are looked at by `verify` only."""
        try:
            lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: a string may hold U+2028
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
            raise BadManifest(f"cannot read the manifest {path}: {reason}; check the path") from error
        if not lines[0].strip():
            raise BadManifest(f"{path} is empty; make one with 'prismaudio benchmark import'")
        head = _head(path, lines[0])
        numbered = [(n, _entry(path, n, line)) for n, line in enumerate(lines[1:], start=2) if line.strip()]
        if len(numbered) != head.clips:
            raise BadManifest(
                f"{path} line 1: clips: {head.clips} are announced and {len(numbered)} follow; "
                "restore the file, or correct the number"
            )
        _check_ids(numbered, path)
        return cls(path, head, tuple(entry for _, entry in numbered))

    def save(self) -> None:
        """Whole or not at all; the same clips give the same bytes."""
        text = "\n".join(_line(part) for part in (self.head, *self.entries)) + "\n"
        with replacing(self.path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @property
    def sha256(self) -> str:
        return digest_of(self.path)

    def file(self, relative: str) -> Path:
        return self.path.parent / relative

    def plan_of(self, entry: Entry, seconds: float) -> Plan | None:
        """The annotation as a plan for `seconds` of sound: the plan file, else what the paragraphs tell."""
        if entry.plan is not None:
            return Plan.load(self.file(entry.plan))
        return parse(entry.thoughts, seconds) if entry.thoughts.strip() else None

    def text_of(self, entry: Entry, kind: TextKind = "caption") -> str:
        """What a judge of words is asked with: the caption, else the semantic thought, else the classes."""
        semantic = entry.cot.get("semantic", "") if isinstance(entry.cot, dict) else ""
        classes = ", ".join(entry.classes)
        match kind:
            case "caption":
                return entry.caption or semantic or classes
            case "semantic":
                return semantic
            case "thoughts":
                return entry.thoughts
            case "classes":
                return classes


def verify(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """(id, what is wrong) of every clip whose files are not those of the manifest."""
    for entry in manifest.entries:
        for what, name, digest in (
            ("video", entry.video, entry.sha256),
            ("audio", entry.audio, entry.audio_sha256),
        ):
            if name is None:
                continue
            if not manifest.file(name).is_file():
                yield entry.id, f"{what} {name} is missing"
            elif digest_of(manifest.file(name)) != digest:
                yield entry.id, f"{what} {name} is another file than the one the manifest was made of"
        if entry.plan is not None and not manifest.file(entry.plan).is_file():
            yield entry.id, f"plan {entry.plan} is missing"


def _head(path: Path, line: str) -> Head:
    try:
        return Head.model_validate_json(line)
    except ValidationError as error:
        raise BadManifest(
            f"{path} line 1: {problems(error)[0]}; the first line of a manifest holds "
            f'{{"format": "{FORMAT}", "name": ..., "clips": ...}}'
        ) from error


def _entry(path: Path, number: int, line: str) -> Entry:
    try:
        return Entry.model_validate_json(line)
    except ValidationError as error:
        raise BadManifest(
            f"{path} line {number}: {problems(error)[0]}; mend the line, or delete it"
        ) from error


def _check_ids(numbered: Iterable[tuple[int, Entry]], path: Path) -> None:
    """No two clips may share a name, not even where capitals are the same as small letters."""
    seen: dict[str, int] = {}
    for number, entry in numbered:
        first = seen.setdefault(entry.id.casefold(), number)
        if first != number:
            raise BadManifest(
                f"{path} line {number}: id {entry.id!r} is that of line {first} too; rename one"
            )


def _line(part: Config) -> str:
    """What says nothing is left out."""
    values = part.model_dump(mode="json", exclude_defaults=True)
    return json.dumps({"format": FORMAT} | values if isinstance(part, Head) else values, ensure_ascii=False)
