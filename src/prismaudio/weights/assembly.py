"""A folder that appears whole or not at all: it is put together beside its place, then moved there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from prismaudio.errors import CannotWrite


@contextmanager
def assembling(out: Path, *, force: bool, replaceable: bool) -> Iterator[Path]:
    """An empty folder that becomes `out` on success and vanishes on any failure, interruptions included.

    `replaceable` says that what is at `out` may be replaced if `force` is given; an empty folder always may.
    """
    check(out, force=force, replaceable=replaceable)
    beside = out.absolute().with_name(f".{out.absolute().name}.{uuid4().hex[:12]}")
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        yield beside
        _swap(beside, out)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotWrite(out, reason, "choose a folder you can write to, with enough space") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def check(out: Path, *, force: bool, replaceable: bool) -> None:
    """Raise if `out` holds anything that is not to be lost."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise CannotWrite(out, "it is a file", "give the name of a folder")
    if not replaceable:
        raise CannotWrite(
            out, "it holds other things than a converted model", "give the name of a new folder"
        )
    if not force:
        raise CannotWrite(out, "it exists", "give another name, or --force to replace it")


def _swap(beside: Path, out: Path) -> None:
    if not out.exists():
        beside.rename(out)
        return
    old = beside.with_name(f"{beside.name}.old")
    out.rename(old)
    try:
        beside.rename(out)
    except BaseException:
        old.rename(out)
        raise
    shutil.rmtree(old)
