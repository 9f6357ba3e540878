"""Words as vectors: the 32,000-token table of wordllama, read straight from its package (no network, no model run).

Shapes: L tokens, D = 256 (+ 4 that say which of the four thoughts a token belongs to).
"""

import importlib.util
import re
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from torch import Tensor

from prismaudio.errors import PrismAudioError

TABLE_DIM = 256
THOUGHTS = ("semantic", "temporal", "aesthetic", "spatial")
TAG = re.compile(r"<(Semantic|Temporal|Aesthetic|Spatial)>")


class WordTable:
    """A `TextEncoder`: one static vector per token, and a mark for the thought it stands in."""

    name = "embedded-words"
    dim = TABLE_DIM + len(THOUGHTS)

    def encode(self, text: str) -> Tensor:
        """text, with or without <Semantic>-style tags -> (L, 260); unit length on average."""
        rows = []
        for thought, paragraph in split_thoughts(text):
            vectors = self.tokens(paragraph)
            mark = np.zeros((len(vectors), len(THOUGHTS)), dtype=np.float32)
            if thought is not None:
                mark[:, THOUGHTS.index(thought)] = 1.0
            rows.append(np.concatenate([vectors, mark], axis=1))
        return torch.from_numpy(np.concatenate(rows)) if rows else torch.zeros(0, self.dim)

    def phrase(self, words: str) -> Tensor:
        """-> (256,) of unit length: the mean of the tokens of a phrase; zeros for no words."""
        vectors = self.tokens(words)
        mean = vectors.mean(axis=0) if len(vectors) else np.zeros(TABLE_DIM, dtype=np.float32)
        return torch.from_numpy(mean / max(float(np.linalg.norm(mean)), 1e-6))

    def tokens(self, text: str) -> NDArray[np.float32]:
        """-> (L, 256), common direction removed, average length 1."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return self._table[ids]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer.from_file(
            str(_package_folder() / "tokenizers" / "l2_supercat_tokenizer_config.json")
        )

    @cached_property
    def _table(self) -> NDArray[np.float32]:
        tensors = load_file(_package_folder() / "weights" / "l2_supercat_256.safetensors")
        table = next(iter(tensors.values())).astype(np.float32)
        table = table - table.mean(axis=0)
        return np.asarray(table / np.linalg.norm(table, axis=1).mean())


def split_thoughts(text: str) -> list[tuple[str | None, str]]:
    """Tagged text -> (thought, paragraph) pairs; text before or without tags belongs to None."""
    parts = TAG.split(text)
    pairs: list[tuple[str | None, str]] = [(None, parts[0])] if parts[0].strip() else []
    pairs += [(tag.lower(), paragraph) for tag, paragraph in zip(parts[1::2], parts[2::2], strict=True)]
    return pairs


def _package_folder() -> Path:
    spec = importlib.util.find_spec("wordllama")  # its own loader looks for the tokenizer in the wrong folder
    if spec is None or spec.origin is None:
        raise PrismAudioError("the word table's package is missing; run: pip install wordllama")
    return Path(spec.origin).parent
