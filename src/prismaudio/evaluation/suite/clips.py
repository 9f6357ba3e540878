"""Which clips are compared: files of plain folders, paired by their exact stem and by nothing else."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prismaudio.errors import PrismAudioError

VIDEO_ENDINGS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v")
SOUND_ENDINGS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", *VIDEO_ENDINGS)
NAME_COLUMNS, TEXT_COLUMNS = ("name", "id", "file", "stem"), ("text", "caption", "prompt", "label")


class BadFolder(PrismAudioError):
    """Folders or a table from which no clips can be had."""


class Folders(NamedTuple):
    """What is compared with what; only the sounds to be judged are a must."""

    sounds: Path
    references: Path | None = None
    videos: Path | None = None
    texts: Path | None = None  # a .csv with a column of names and one of texts


class Clip(NamedTuple):
    """The files that share a name. None is what no folder was given for."""

    name: str
    sound: Path
    reference: Path | None = None
    video: Path | None = None
    text: str | None = None


class Problem(NamedTuple):
    """Why a clip is not measured."""

    kind: str  # counted by, as "sound missing"
    detail: str


class Found(NamedTuple):
    """Clips with all their files, those that lack some, and sounds that nobody expected."""

    clips: tuple[Clip, ...]
    problems: dict[str, Problem]
    unexpected: tuple[str, ...]

    @property
    def expected(self) -> int:
        return len(self.clips) + len(self.problems)


def find_clips(folders: Folders) -> Found:
    """In the order of their names.

    Expected are the names of the references, else of the videos, else of the texts, else of the sounds themselves.
    A name that several files of a folder share belongs to none of them.
    """
    sounds = files_by_name(folders.sounds, SOUND_ENDINGS)
    references = files_by_name(folders.references, SOUND_ENDINGS) if folders.references else None
    videos = files_by_name(folders.videos, VIDEO_ENDINGS) if folders.videos else None
    texts = read_texts(folders.texts) if folders.texts else None
    expected = next(names for names in (references, videos, texts, sounds) if names is not None)
    clips, problems = [], {}
    for name in sorted(expected):
        lacking = [
            problem
            for role, files in (("sound", sounds), ("reference", references), ("video", videos))
            if files is not None and (problem := _problem(role, files.get(name, [])))
        ]
        if texts is not None and not (texts.get(name) or "").strip():
            lacking.append(Problem("text missing", f"no text in {folders.texts}"))
        if lacking:
            problems[name] = lacking[0]
            continue
        reference, video = (files[name][0] if files is not None else None for files in (references, videos))
        clips.append(Clip(name, sounds[name][0], reference, video, texts[name] if texts else None))
    return Found(tuple(clips), problems, tuple(sorted(sounds.keys() - set(expected))))


def read_texts(path: Path) -> dict[str, str]:
    """name -> text, of a .csv whose first line names its columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [*csv.DictReader(file)]
    except (OSError, UnicodeDecodeError) as error:
        raise BadFolder(f"cannot read {path}: {error}; give a .csv in UTF-8") from error
    columns = {column.strip().lower(): column for column in (rows[0] if rows else {}) if column}
    name = next((columns[c] for c in NAME_COLUMNS if c in columns), None)
    text = next((columns[c] for c in TEXT_COLUMNS if c in columns), None)
    if name is None or text is None:
        raise BadFolder(
            f"{path} needs a column {' or '.join(NAME_COLUMNS)} and a column {' or '.join(TEXT_COLUMNS)}; "
            f"it has {', '.join(columns) or 'none'}"
        )
    return {row[name]: row[text] for row in rows}


def files_by_name(folder: Path, endings: Sequence[str]) -> Mapping[str, list[Path]]:
    """stem -> the files of `folder` that have it; hidden files and folders inside are no clips."""
    if not folder.is_dir():
        raise BadFolder(f"no folder at {folder}; give one that holds the clips")
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in endings and not path.name.startswith(".") and path.is_file():
            found[path.stem].append(path)
    if not found:
        raise BadFolder(f"{folder} holds no clips; known endings are {', '.join(endings)}")
    return dict(found)


def _problem(role: str, files: Sequence[Path]) -> Problem | None:
    if not files:
        return Problem(f"{role} missing", "no file of that name")
    if len(files) > 1:
        return Problem(f"{role} ambiguous", f"several files: {', '.join(path.name for path in files)}")
    return None
