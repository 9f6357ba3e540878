"""From rows to a manifest: every clip's files are found and hashed; those that are not there are counted."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.canvas.adapters import Row
from prismaudio.evaluation.canvas.manifest import Entry, Manifest
from prismaudio.evaluation.suite.cache import digest_of
from prismaudio.evaluation.suite.clips import VIDEO_ENDINGS as ENDINGS
from prismaudio.evaluation.suite.clips import BadFolder, files_by_name


class NothingFound(PrismAudioError):
    """A table of which no clip has a file."""


class Collected(NamedTuple):
    """A manifest, and the clips that are not in it."""

    manifest: Manifest
    missing: dict[str, str]  # id -> why

    def summary(self) -> str:
        """How many, and the commonest reason first."""
        count, rows = len(self.manifest.entries), len(self.manifest.entries) + len(self.missing)
        words = [f"{count} of {rows} clips are there"]
        reasons: dict[str, list[str]] = defaultdict(list)
        for name, reason in self.missing.items():
            reasons[reason].append(name)
        for reason, names in sorted(reasons.items(), key=lambda pair: (-len(pair[1]), pair[0])):
            words.append(f"{len(names)}: {reason} (first: {names[0]})")
        return "; ".join(words)


class Places(NamedTuple):
    """Where the files of a table are."""

    videos: Path
    references: Path | None = None  # sounds of the same stems
    silent: bool = False  # the videos' own sound is no reference


def collect(
    rows: Iterable[Row], places: Places, path: Path, made_by: Mapping[str, str] | None = None
) -> Collected:
    """The manifest to be written at `path`; the reference is a sound of its own, else that of the video."""
    films = files_by_name(places.videos, ENDINGS)
    sounds = files_by_name(places.references, (".wav", ".flac", *ENDINGS)) if places.references else {}
    entries, missing = [], {}
    for row in tqdm(list(rows), desc="clips", disable=None):
        try:
            entries.append(_entry(row, films, sounds, places, path))
        except (BadFolder, OSError) as problem:
            missing[row.id] = str(problem)
    if not entries:
        reason = next(iter(missing.values()), "the table has no rows")
        raise NothingFound(
            f"no clip of the table is in {places.videos}: {reason}; check the names of the files"
        )
    return Collected(Manifest.of(path, path.stem, entries, made_by=made_by), missing)


def _entry(
    row: Row, films: Mapping[str, list[Path]], sounds: Mapping[str, list[Path]], places: Places, path: Path
) -> Entry:
    """Raises `BadFolder` where a file is missing."""
    film, cut = _film(row, films, places)
    reference = None if places.silent else film
    if row.audio is not None:
        reference = _given(places.references or places.videos, row.audio, "reference")
    elif places.references is not None:
        reference = _only(sounds.get(row.id, []), "reference of that name")
    digest = digest_of(film)
    same = reference is not None and reference == film
    return Entry.parse(
        {
            "id": row.id,
            "video": relative_to(film, path),
            "sha256": digest,
            "start": row.start if cut else 0.0,
            "end": row.end if cut else None,
            "event": row.event,
            "classes": row.classes,
            "caption": row.caption,
            "cot": row.cot,
            "plan": None if row.plan is None else relative_to(_given(places.videos, row.plan, "plan"), path),
            "audio": None if reference is None else relative_to(reference, path),
            "audio_sha256": None if reference is None else digest if same else digest_of(reference),
            "source": row.source,
            "split": row.split,
        },
        source=f"clip {row.id}",
    )


def _film(row: Row, films: Mapping[str, list[Path]], places: Places) -> tuple[Path, bool]:
    """The video, and whether the clip is to be cut out of it."""
    if row.video is not None:
        return _given(places.videos, row.video, "video"), True
    if row.id in films or row.recording is None:
        return _only(films.get(row.id, []), "video of that name"), row.recording is None
    return _only(films.get(row.recording, []), "video of that name"), True


def _given(folder: Path, name: str, what: str) -> Path:
    """A path that a table tells: as it is, or relative to the folder."""
    path = folder / name
    if not path.is_file():
        raise BadFolder(f"no {what} where the table says")
    return path


def _only(paths: list[Path], what: str) -> Path:
    if len(paths) != 1:
        raise BadFolder(f"no {what}" if not paths else f"more than one {what}")
    return paths[0]


def relative_to(path: Path, manifest: Path) -> str:
    return Path(os.path.relpath(path.resolve(), manifest.resolve().parent)).as_posix()
