"""One large file from the hub: continued where it broke off, checked, and in place whole or not at all.

The hub's own library begins again after every interruption (since 1.18), which gigabytes forbid.
"""

import shutil
import time
from pathlib import Path

from prismaudio.backends.pretrained.digest import sha256
from prismaudio.backends.pretrained.remote import (
    DiskFull,
    HubError,
    HubOutOfReach,
    RemoteFile,
    endpoint,
    lost_on_the_way,
)
from prismaudio.stages import Report

CHUNK = 2**20  # bytes, about, between two reports
ATTEMPTS = 5  # that bring nothing new, before we give up
PARTIAL_CONTENT = 206


def fetch(file: RemoteFile, path: Path, lock: Path, report: Report) -> None:
    """Download `file` to `path`, beside which the part that has arrived waits for the rest.

    `lock` keeps other processes from doing the same; where locks fail, the digest still tells.
    """
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # exported without saying so

    path.parent.mkdir(parents=True, exist_ok=True)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if path.exists():
            return
        partial = partial_of(file, path)
        check_space(path.parent, file.size - size_of(partial))
        while size_of(partial) < file.size:
            advance(file, partial, report)
        check(file, partial)
        partial.replace(path)


def partial_of(file: RemoteFile, path: Path) -> Path:
    """Where the beginning of `path` waits; another content of the same name waits elsewhere."""
    return path.with_name(f".{path.name[:64]}.{file.etag[:16]}.incomplete")


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFull(
            f"{folder} has {free / 1e9:.2f} GB free of the {needed / 1e9:.2f} GB needed; "
            "free some space or choose another disk"
        )


def advance(file: RemoteFile, partial: Path, report: Report) -> None:
    """Bring something new, however often the connection breaks; or raise."""
    from huggingface_hub.errors import HfHubHTTPError

    before = size_of(partial)
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(attempt)
        try:
            append(file, partial, report)
        except HfHubHTTPError:
            raise  # an answer, if not the one hoped for
        except lost_on_the_way() as error:
            problem: Exception | None = error
        else:
            problem = None
        if size_of(partial) > before:
            return
    raise HubOutOfReach(
        f"{endpoint()} sends no more of {file.name} ({problem}); try again, what has arrived is kept"
    ) from problem


def append(file: RemoteFile, partial: Path, report: Report) -> None:
    """What one request gives, behind what is there."""
    from huggingface_hub import constants, get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

    have = size_of(partial)
    headers = build_hf_headers() | {"Accept-Encoding": "identity"}  # compressed parts cannot be joined
    if have:
        headers["Range"] = f"bytes={have}-"
    url = hf_hub_url(file.address.repo, file.name, revision=file.commit)
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
        hf_raise_for_status(response)
        if response.status_code != PARTIAL_CONTENT:
            have = 0  # this server cannot continue
        with partial.open("ab" if have else "wb") as out:
            for piece in response.iter_bytes():
                out.write(piece)
                have += len(piece)
                if have % CHUNK < len(piece) or have == file.size:
                    report(min(have / file.size, 1.0))


def check(file: RemoteFile, partial: Path) -> None:
    """Raise, and forget what has arrived, unless it is what the hub announced."""
    got = size_of(partial)
    problem = f"{got} bytes instead of {file.size}" if got != file.size else ""
    if not problem and file.sha256 is not None and sha256(partial) != file.sha256:
        problem = "another SHA-256 than the hub announced"
    if problem:
        partial.unlink()
        raise HubError(f"{file.name} of {file.address} arrived damaged ({problem}); try again")
