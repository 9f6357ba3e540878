"""Finding a model's files: a folder of one's own, or a repository of the Hugging Face hub, fetched once and kept.

The library's own settings hold: HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import NamedTuple

from prismaudio.backends.pretrained.fetching import fetch, partial_of, size_of
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.backends.pretrained.remote import (
    Address,
    GatedRepository,
    HubError,
    HubOutOfReach,
    RemoteFile,
    endpoint,
    telling,
)
from prismaudio.stages import Progress, nobody

ADDRESS = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)
PATIENCE = 10.0  # seconds the hub may take to answer
NAMES_SHOWN = 8

log = logging.getLogger(__name__)


class Repository(NamedTuple):
    """What a repository has of what is wanted."""

    address: Address
    files: tuple[RemoteFile, ...]
    licence: str | None  # as its model card says
    gated: bool


def resolve(
    source: str | Path, wanted: Sequence[str], optional: Sequence[str] = (), progress: Progress | None = None
) -> Path:
    """The folder of a model: `source` itself if it is one, else that of "owner/name[@revision]" in the cache.

    `wanted` and `optional` are name patterns; each of `wanted` must match. A folder is taken as it is: what it
    lacks is said by the one who reads it. Without network, an earlier download is used.
    """
    if Path(source).is_dir():
        return Path(source)
    address = parse(str(source))
    try:
        repository = look_up(address, wanted, optional)
    except HubOutOfReach as problem:
        folder = kept(address, wanted, optional)
        if folder is None:
            raise
        log.warning("%s; using the files of an earlier download", str(problem).partition(";")[0])
        return folder
    paths = [keep(file, progress) for file in repository.files]
    return paths[0].parents[repository.files[0].name.count("/")]


def parse(source: str) -> Address:
    """owner/name or owner/name@revision"""
    match = ADDRESS.fullmatch(source)
    if match is None:
        raise HubError(
            f"no folder of weights at {source}; give a folder, or a model of the hub as owner/name"
        )
    return Address(match[1], match[2] or "main")


def look_up(address: Address, wanted: Sequence[str], optional: Sequence[str] = ()) -> Repository:
    """Ask the hub what it has of these names; nothing is downloaded."""
    with extra_for("models of the hub"):
        from huggingface_hub import HfApi
    with telling(address):
        info = HfApi().model_info(
            address.repo, revision=address.revision, files_metadata=True, timeout=PATIENCE
        )
    there = {file.rfilename: file for file in info.siblings or ()}
    files = []
    for name in chosen(there, wanted, optional, address):
        file = there[name]
        digest = file.lfs.sha256 if file.lfs else None
        etag = digest or file.blob_id
        if file.size is None or etag is None:
            raise HubError(f"{endpoint()} does not tell the size of {name}; use another HF_ENDPOINT")
        files.append(RemoteFile(address, info.sha or address.revision, name, file.size, etag, digest))
    licence = info.card_data.license if info.card_data else None
    return Repository(address, tuple(files), licence, bool(info.gated))


def chosen(
    there: Iterable[str], wanted: Sequence[str], optional: Sequence[str], address: Address
) -> list[str]:
    """The names that match; every pattern of `wanted` must, and something must."""
    names = [name for name in there if matches(name, (*wanted, *optional))]
    missing = [pattern for pattern in wanted if not any(fnmatchcase(name, pattern) for name in names)]
    if missing or not names:
        held = ", ".join(sorted(there)[:NAMES_SHOWN]) or "nothing"
        sought = ", ".join(missing) or f"all of {', '.join(optional)}"
        raise HubError(f"{address} lacks {sought}; it holds {held}; is it the right model?")
    return names


def keep(file: RemoteFile, progress: Progress | None = None) -> Path:
    """The file in the cache, downloaded if it is not there yet."""
    from huggingface_hub import hf_hub_download

    with telling(file.address):
        if (path := cached(file)) is not None:
            return path
        fetch(file, blob(file), locks(file), partial(progress or nobody, file.name))
        # the library finds the content where it would have put it itself, and adds the names
        return Path(hf_hub_download(file.address.repo, file.name, revision=file.address.revision))


def place(file: RemoteFile, folder: Path, progress: Progress | None = None) -> Path:
    """The file in a folder of one's own, downloaded if it is not there yet."""
    path = folder / file.name
    if path.exists() and size_of(path) != file.size:
        raise HubError(
            f"{path} exists and is not that of {file.address} ({size_of(path)} bytes instead of {file.size}); "
            "delete it or choose another folder"
        )
    if not path.exists():
        lock = path.with_name(f".{path.name}.lock")
        with telling(file.address):
            fetch(file, path, lock, partial(progress or nobody, file.name))
            lock.unlink(missing_ok=True)
    return path


def missing_bytes(file: RemoteFile, folder: Path | None) -> int:
    """How much of it is still to come, into `folder` or the cache."""
    if folder is None and cached(file) is not None:
        return 0
    path = blob(file) if folder is None else folder / file.name
    return 0 if path.exists() else file.size - size_of(partial_of(file, path))


def refusal(repository: Repository) -> GatedRepository | None:
    """Why the files of a repository would be refused to this user; None if they would not."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    if not repository.gated:
        return None
    file = repository.files[0]
    try:
        with telling(repository.address):
            get_hf_file_metadata(hf_hub_url(file.address.repo, file.name, revision=file.commit))
    except GatedRepository as refused:
        return refused
    return None


def kept(address: Address, wanted: Sequence[str], optional: Sequence[str]) -> Path | None:
    """The folder of an earlier download that holds what is wanted."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    patterns = [*wanted, *optional]
    try:
        folder = Path(
            snapshot_download(
                address.repo, revision=address.revision, allow_patterns=patterns, local_files_only=True
            )
        )
    except LocalEntryNotFoundError:
        return None
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    complete = all(any(fnmatchcase(name, pattern) for name in names) for pattern in wanted)
    return folder if complete and any(matches(name, patterns) for name in names) else None


def cached(file: RemoteFile) -> Path | None:
    """The file in the cache, if it is there."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(file.address.repo, file.name, revision=file.commit)
    return Path(path) if isinstance(path, str) else None


def cache() -> Path:
    """Where the library keeps what it downloads."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def blob(file: RemoteFile) -> Path:
    """Where the library keeps this content."""
    return cache() / _folder(file.address) / "blobs" / file.etag


def locks(file: RemoteFile) -> Path:
    """What the library locks while it downloads this content."""
    return cache() / ".locks" / _folder(file.address) / f"{file.etag}.lock"


def _folder(address: Address) -> str:
    return f"models--{address.repo.replace('/', '--')}"


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a file of this name is meant by one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
