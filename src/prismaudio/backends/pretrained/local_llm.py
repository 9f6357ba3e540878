"""What all language models that see and run on this machine have in common, whatever their networks are made of.

Of all answers the most probable is taken, so equal questions get equal answers.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import torch
from torch import Tensor

from prismaudio.backends.pretrained.asking import Answer, Enquiry, Film, Footage, Unanswered, quoted
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.models.checkpoints import CheckpointError, read_tensors
from prismaudio.types import Frames

Network = (
    Any  # a PreTrainedModel that generates; transformers types neither its many kinds nor their tokenizers
)
Tokenizer = Any

ADAPTER = "adapter_model.safetensors"
MOST_TOKENS = 2048  # of an answer


class Generated(NamedTuple):
    read: int  # tokens
    written: Tensor  # (n,) tokens


class Said(NamedTuple):
    role: str  # "user" or "assistant"
    words: str


class LocalLLM(ABC):
    """A `VideoModel`."""

    name = "local"
    prefers: Footage = "frames"
    hears = False
    held_to_schema = False

    def __init__(self, tokenizer: Tokenizer, model: str, most_tokens: int = MOST_TOKENS) -> None:
        self.tokenizer = tokenizer
        self.model = model
        self.most_tokens = most_tokens
        self._turn = Lock()  # threads may ask at once, but a network answers one after the other

    @torch.no_grad()
    def ask(self, enquiry: Enquiry) -> Answer:
        if isinstance(enquiry.footage, Film):
            raise Unanswered(f"{self.model} plays no files; send frames")
        with self._turn, telling(self.model):
            read, written = self._generate(enquiry, enquiry.footage)
        text: str = self.tokenizer.decode(written, skip_special_tokens=True)
        return Answer(text.strip(), self.model, read, len(written))

    @abstractmethod
    def _generate(self, enquiry: Enquiry, frames: Frames) -> Generated:
        """The most probable answer, up to one of the model's ends."""

    def _plainly(self, own: Any) -> Any:
        """Settings that take the most probable words, whatever the model's `own` settings are."""
        from transformers import GenerationConfig

        settings: Any = GenerationConfig
        return settings(
            max_new_tokens=self.most_tokens,
            do_sample=False,
            eos_token_id=own.eos_token_id or self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )

    def _said(self, enquiry: Enquiry) -> list[Said]:
        """The conversation so far, without what the tokenizer would take for a picture or for the end of a turn."""
        said = [Said("user", enquiry.text)]
        for turn in enquiry.turns:
            said += [Said("assistant", turn.answer), Said("user", turn.objection)]
        return [Said(role, bare(words, self.tokenizer)) for role, words in said]


def bare(words: str, tokenizer: Tokenizer) -> str:
    """Without what the tokenizer would take for a picture or for the end of a turn."""
    for token in tokenizer.added_tokens_decoder.values():
        words = words.replace(token.content, " ") if token.special else words
    return words


def with_adapter(network: Network, folder: Path) -> Network:
    """The network with the weights of a LoRA folder added to its own."""
    with extra_for("a LoRA folder", extra="planners"):
        from peft import PeftModel, get_peft_model_state_dict

    if not (folder / ADAPTER).is_file():
        raise CheckpointError(f"no {ADAPTER} in {folder}; give a LoRA folder in the format of peft")
    with readable(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is checked below
        adapted = PeftModel.from_pretrained(network, str(folder))
    apart = set(get_peft_model_state_dict(adapted)) ^ set(read_tensors(folder / ADAPTER))
    if apart:
        raise CheckpointError(
            f"the LoRA in {folder} was made for another model: {min(apart)} has no counterpart"
        )
    return adapted.merge_and_unload().eval().requires_grad_(False)


def called(source: str | Path, adapter: str | Path | None) -> str:
    """How a model calls itself."""
    name = Path(source).name if Path(source).is_dir() else str(source)
    return f"{name} + {Path(adapter).name}" if adapter else name


def placed(device: str) -> str:
    """ "auto": the fastest processor of this machine."""
    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """What goes wrong with reading comes out in one line."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # a model can be damaged in as many ways as there are kinds of them
        raise CheckpointError(
            f"the model in {folder} cannot be read ({quoted(error)}); get it again"
        ) from error


@contextmanager
def telling(model: str) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise Unanswered(f"no memory left for {model}; take a smaller model, or a shorter clip") from error
    except ValueError as error:
        raise Unanswered(
            f"{model} cannot be asked this ({quoted(error)}); change the hint, or the model"
        ) from error
