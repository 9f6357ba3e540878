"""Texts as MS-CLAP reads them: GPT-2's tokens, an end-of-text token, and the place that knows the whole.

The published program takes the token "!" for padding and cuts a long text together with its end.
Shapes: B texts, L tokens.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.models.checkpoints import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HUB_ID = "openai-community/gpt2"
WANTED = ("vocab.json", "merges.txt")
OPTIONAL = ("tokenizer.json", "tokenizer_config.json")
LONGEST = 77  # tokens
PADDING = "!"  # which is token 0
END = " <|endoftext|>"

log = logging.getLogger(__name__)


class Tokens(NamedTuple):
    """Texts as numbers."""

    ids: Tensor  # (B, L), filled up with 0
    last: Tensor  # (B,) the place that knows the text
    truncated: tuple[bool, ...]  # which texts were cut, and lack their end


def tokenise(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> Tokens:
    """At most 77 tokens of each, as published; exclamation marks, which would count as padding, are left out."""
    found = [tokenizer(plain(text) + END)["input_ids"] for text in texts]
    cut = [torch.tensor(ids[:LONGEST]) for ids in found]
    truncated = tuple(len(ids) > LONGEST for ids in found)
    for text, short in zip(texts, truncated, strict=True):
        if short:
            log.warning("clap_text_truncated: MS-CLAP reads %d tokens of %r", LONGEST, text[:60])
    padded = torch.nn.utils.rnn.pad_sequence(cut, batch_first=True)
    return Tokens(padded, torch.tensor([len(ids) - 1 for ids in cut]), truncated)


def chunks(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[str]:
    """A text in pieces of whole words that each fit with their end."""
    pieces = [""]
    for word in plain(text).split():
        longer = f"{pieces[-1]} {word}".strip()
        if pieces[-1] and len(tokenizer(longer + END)["input_ids"]) > LONGEST:
            pieces.append(word)
        else:
            pieces[-1] = longer
    return pieces


def plain(text: str) -> str:
    """Without exclamation marks."""
    return text.replace(PADDING, "")


def load_tokenizer(source: str | Path = HUB_ID) -> "PreTrainedTokenizerBase":
    """source: a folder with GPT-2's tokenizer, or a hub repository"""
    folder = resolve(source, WANTED, OPTIONAL)
    with extra_for("MS-CLAP"):
        from transformers import GPT2TokenizerFast

    missing = [name for name in WANTED if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(f"{folder} lacks {', '.join(missing)}; put GPT-2's tokenizer there")
    tokenizer = GPT2TokenizerFast.from_pretrained(folder, local_files_only=True)
    if tokenizer.convert_tokens_to_ids(PADDING) != 0:
        raise CheckpointError(f"the tokenizer in {folder} is not GPT-2's; give that of {HUB_ID}")
    return tokenizer
