"""The SHA-256 of a large file, and how far it is while it is computed; and that of a tokenizer."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

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


def tokenizer_sha256(tokenizer: "PreTrainedTokenizerBase") -> str:
    """Of its words and rules, not of how it was last asked to fill up or cut."""
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    rules |= {"padding": None, "truncation": None}
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()
