"""Getting the published model: what is to be had, how large it is and on whose terms; then all of it, checked."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from prismaudio.backends.pretrained import hub
from prismaudio.backends.pretrained.digest import sha256
from prismaudio.backends.pretrained.remote import DiskFull, GatedRepository, HubError, RemoteFile
from prismaudio.stages import Progress
from prismaudio.weights.sources import T5GEMMA, VIDEOPRISM, Source, generator

ENCODERS = (VIDEOPRISM, T5GEMMA)


class Part(NamedTuple):
    """One repository of a download."""

    source: Source
    repository: hub.Repository
    refused: GatedRepository | None  # why its files would not be given to this user

    def purpose(self, file: RemoteFile) -> str:
        return next(w.purpose for w in self.source.files if hub.matches(file.name, [w.pattern]))


class Fetched(NamedTuple):
    """A file that is there, and is what it should be."""

    path: Path
    size: int
    sha256: str


class Download(NamedTuple):
    """Everything the hub has been asked about and nothing of which has been downloaded yet."""

    parts: tuple[Part, ...]
    to: Path | None  # None: the cache of the hub's library

    @property
    def folder(self) -> Path:
        return self.to or hub.cache()

    @property
    def total(self) -> int:
        return sum(file.size for part in self.parts for file in part.repository.files)

    @property
    def missing(self) -> int:
        """Bytes still to come: an interrupted download continues."""
        return sum(
            hub.missing_bytes(file, target_of(part, self.to))
            for part in self.parts
            for file in part.repository.files
        )

    @property
    def free(self) -> int:
        """Bytes free where the files go; the folder itself may not exist yet."""
        there = next(path for path in (self.folder, *self.folder.absolute().parents) if path.exists())
        return shutil.disk_usage(there).free

    def lines(self) -> Iterator[str]:
        """What a user wants to know before saying yes."""
        rows = [
            (file.name, size(file.size), part.source.repo, part.purpose(file))
            for part in self.parts
            for file in part.repository.files
        ]
        yield from table([("file", "size", "from", "for"), *rows])
        yield ""
        for part in self.parts:
            said = part.repository.licence or "nothing"
            yield f"{part.repository.address}: licence on the hub: {said}. {part.source.licence}".rstrip()
            if part.refused is not None:
                yield f"  {part.refused}"
        yield ""
        yield (
            f"{size(self.total)} in all, {size(self.missing)} still to come; "
            f"{size(self.free)} free at {self.folder}"
        )

    def check(self) -> None:
        """Raise before the first byte if it could not be finished."""
        for part in self.parts:
            if part.refused is not None and part.source in ENCODERS:
                raise GatedRepository(f"{part.refused}; or leave it out with --no-encoders")
            if part.refused is not None:
                raise part.refused
        if self.missing > self.free:
            raise DiskFull(
                f"{self.folder} has {size(self.free)} free of the {size(self.missing)} needed; "
                "free some space, or choose another disk with --to"
            )

    def run(self, progress: Progress) -> Iterator[Fetched]:
        """Get every file, and yield it with its digest; what is there already is only checked."""
        for part in self.parts:
            target = target_of(part, self.to)
            for file in part.repository.files:
                path = hub.keep(file, progress) if target is None else hub.place(file, target, progress)
                yield checked(file, path, progress)


def plan(model: str, to: Path | None, *, encoders: bool) -> Download:
    """Ask the hub about the generator called `model`, and the two encoders that it reads."""
    sources = [generator(model), *(ENCODERS if encoders else ())]
    addresses = [hub.parse(model), *(hub.parse(source.repo) for source in sources[1:])]
    parts = []
    for source, address in zip(sources, addresses, strict=True):
        repository = hub.look_up(address, source.wanted, source.optional)
        parts.append(Part(source, repository, hub.refusal(repository)))
    return Download(tuple(parts), to)


def target_of(part: Part, to: Path | None) -> Path | None:
    return None if to is None else to / part.source.folder


def checked(file: RemoteFile, path: Path, progress: Progress) -> Fetched:
    """Raise unless the file is what the hub announced."""
    digest = sha256(path, lambda share: progress(f"check {file.name}", share))
    if file.sha256 is not None and digest != file.sha256:
        raise HubError(f"{path} has another SHA-256 than {file.address} announces; delete it and try again")
    return Fetched(path, path.stat().st_size, digest)


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns as wide as they need to be, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for name, number, *rest in rows:
        cells = [name.ljust(widths[0]), number.rjust(widths[1])]
        cells += [cell.ljust(width) for cell, width in zip(rest, widths[2:], strict=True)]
        yield "  ".join(cells).rstrip()


def size(count: int) -> str:
    """1234567890 -> '1.23 GB'"""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.2f} {name}"
    return f"{count} B"
