"""The SHA-256 of a large file, and how far it is while it is computed."""

import hashlib
from collections.abc import Callable
from pathlib import Path

BLOCK = 8 * 2**20  # bytes


def sha256(path: Path, report: Callable[[float], None] | None = None) -> str:
    """As 64 hexadecimal digits; `report` is told the share that is read."""
    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            done += len(block)
            if report is not None:
                report(done / total)
    return digest.hexdigest()
