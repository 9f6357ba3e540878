"""Opening what may be damaged, and writing so that nobody ever sees half a file."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import av
from av.container import InputContainer

from prismaudio.errors import CannotWrite, UnreadableMedia

PLAYLISTS = {"hls", "concat", "dash", "tty"}  # text that ffmpeg would follow or draw; never what was meant


def open_media(path: Path, error: type[UnreadableMedia]) -> InputContainer:
    """Open `path` for reading, or raise `error` with the reason."""
    if not path.is_file():
        raise error(path, "not a file" if path.exists() else "no such file", "check the path")
    if path.stat().st_size == 0:
        raise error(path, "the file is empty", "record or download it again")
    try:
        container = av.open(
            f"file:{path}",  # the prefix keeps a colon in the name from being read as a protocol
            mode="r",
            metadata_errors="replace",
            container_options={"protocol_whitelist": "file"},
        )
    except PermissionError as denied:
        raise error(path, "permission denied", "change the file's permissions") from denied
    except av.FFmpegError as problem:
        reason = "damaged, incomplete or not a media file"
        raise error(path, f"{reason} ({problem.strerror})", "re-encode or download it again") from problem
    if container.format.name in PLAYLISTS:
        container.close()
        raise error(path, "a text file or playlist, not a media file", "give the media file itself")
    return container


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour that becomes `path` on success and vanishes on any failure.

    Problems of the file system inside the block come out as CannotWrite.
    """
    temporary = path.with_name(f".prismaudio-{uuid4().hex[:12]}{path.suffix}")
    try:
        if path.is_dir():
            raise CannotWrite(path, "it is a directory", "give a file name")
        yield temporary
        temporary.replace(path)
    except OSError as problem:
        raise CannotWrite(path, _reason(problem), _advice(problem, path)) from problem
    finally:
        with suppress(OSError):
            temporary.unlink()


def _reason(problem: OSError) -> str:
    return (problem.strerror or str(problem) or type(problem).__name__).lower()


def _advice(problem: OSError, path: Path) -> str:
    if problem.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return "free some space or choose another disk"
    if not path.parent.is_dir():
        return f"create the folder {path.parent} first"
    return "choose a folder you can write to"
