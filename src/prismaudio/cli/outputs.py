"""What a command is about to write is checked before it works for it, and what it thought is printed."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from prismaudio.errors import CannotWrite, UnknownChoice

if TYPE_CHECKING:
    from prismaudio.dimensions.plan import Plan

PLAN_FILES = (".yaml", ".yml", ".json")


def check_output(path: Path | None, endings: Sequence[str], *, force: bool, source: Path) -> None:
    """Refuse a file that could not be written, would destroy `source`, or exists without being given up."""
    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise UnknownChoice(f"file ending of {path.name}", path.suffix, endings)
    if not path.parent.is_dir():
        raise CannotWrite(path, "its folder does not exist", f"create the folder {path.parent} first")
    if not os.access(path.parent, os.W_OK):
        raise CannotWrite(path, "its folder is read-only", "choose a folder you can write to")
    if path.exists() and source.exists() and path.samefile(source):
        raise CannotWrite(path, "it is the input itself", "choose another name")
    if path.exists() and not force:
        raise CannotWrite(path, "it exists", "give another name, or --force to overwrite it")


def check_outputs(videos: Mapping[Path, Path], *, force: bool) -> None:
    """The same for the sounds of several videos: file to be written -> its video."""
    from prismaudio.media.mux import FILE_KINDS

    for path, video in videos.items():
        check_output(path, tuple(FILE_KINDS), force=force, source=video)


def sound_paths(videos: Sequence[Path], seeds: Sequence[int], out: Path | None) -> list[Path]:
    """Where every take of every video goes: `out` itself, inside of it if there are several, or beside the video."""
    from prismaudio.media.mux import FILE_KINDS

    if len(videos) * len(seeds) == 1 and out is not None and not out.is_dir():
        return [out]
    if out is not None:
        make_folder(out)
    paths = []
    for video in videos:
        ending = video.suffix if video.suffix.lower() in FILE_KINDS else ".mkv"
        takes = [f".{seed}" for seed in seeds] if len(seeds) > 1 else [""]
        paths += [(out or video.parent) / f"{video.stem}.sound{take}{ending}" for take in takes]
    twice = [path for path in paths if paths.count(path) > 1]
    if twice:
        raise CannotWrite(twice[0], "two of the videos would be written there", "give them different names")
    return paths


def print_plan(plan: "Plan") -> None:
    """The four thoughts, one line each."""
    for name, paragraph in plan.paragraphs("numeric").items():
        typer.echo(f"{name:<10} {paragraph}")


def make_folder(path: Path) -> None:
    """The folder and those above it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(path, (error.strerror or "").lower(), "choose another folder") from error
