"""VideoLLaMA2.1, the network that the paper teaches its thoughts to, as a planner on this machine; and lessons for it.

As in the published program, sixteen pictures, evenly over the clip, are stretched to a square and become 1,352 tokens
in front of the question. Ours is the line that says when they were seen, since the network has no clock.
Shapes: T pictures of S x S pixels, L tokens.
"""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from prismaudio.backends.pretrained.asking import Enquiry
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.local_llm import (
    MOST_TOKENS,
    Generated,
    LocalLLM,
    Said,
    called,
    placed,
    readable,
    with_adapter,
)
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.backends.pretrained.videollama2_network import IGNORED, VIDEO, VideoLLaMA2Network
from prismaudio.backends.pretrained.videollama2_weights import HUB_ID, load_network, take_connector
from prismaudio.media.preprocess import View
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.types import Frames

if TYPE_CHECKING:
    from transformers import Qwen2Tokenizer

WANTED = ("config.json", "model*.safetensors")
OPTIONAL = ("*.json", "*.jinja", "*.txt")
MARK = "<video>"  # where the video goes, in a text


class Lesson(NamedTuple):
    """What `VideoLLaMA2Network.forward` learns from, without the axis of a batch."""

    input_ids: Tensor  # (L,)
    labels: Tensor  # (L,) the answer and the end of its turn; all else is `IGNORED`
    pixel_values: Tensor  # (T, 3, S, S)


class VideoLLaMA2(LocalLLM):
    """pictures: how many are seen of a video."""

    def __init__(
        self,
        network: VideoLLaMA2Network,
        tokenizer: "Qwen2Tokenizer",
        pictures: int,
        model: str,
        most_tokens: int = MOST_TOKENS,
    ) -> None:
        super().__init__(tokenizer, model, most_tokens)
        self.network = network
        self.pictures = pictures

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path = HUB_ID,
        adapter: str | Path | None = None,
        device: str = "auto",
        most_tokens: int = MOST_TOKENS,
    ) -> Self:
        """source: a folder as published, or a hub repository.

        adapter: a folder with LoRA weights for the language model, a connector that was trained with them, or both.
        """
        folder = resolve(source, WANTED, OPTIONAL)
        tokenizer = load_tokenizer(folder)
        network, settings = load_network(folder)
        if len(tokenizer) > network.language_model.config.vocab_size:
            raise CheckpointError(
                f"the tokenizer in {folder} knows more tokens than the weights; get both again"
            )
        if adapter is not None:
            adapt(network, Path(adapter))
        network.to(placed(device))
        return cls(network, tokenizer, settings.pictures, called(source, adapter), most_tokens)

    def lesson(self, enquiry: Enquiry, answer: str) -> Lesson:
        """How this enquiry should have been answered."""
        assert isinstance(enquiry.footage, Frames)
        seen = chosen(len(enquiry.footage.images), self.pictures)
        said = self._conversation(enquiry, seen / enquiry.footage.fps)
        prompt = self._written(said, answered=False)
        whole = self._written([*said, Said("assistant", answer)], answered=True)
        asked, told = self._tokens(prompt), self._tokens(whole.removeprefix(prompt))
        labels = torch.cat([torch.full_like(asked, IGNORED), told])
        return Lesson(torch.cat([asked, told]), labels, self._pixels(enquiry.footage, seen))

    def _generate(self, enquiry: Enquiry, frames: Frames) -> Generated:
        seen = chosen(len(frames.images), self.pictures)
        tokens = self._tokens(self._written(self._conversation(enquiry, seen / frames.fps), answered=False))
        writer = self.network.language_model
        pixels = self._pixels(frames, seen).to(writer.device)
        embedded = self.network.embed(tokens[None].to(writer.device), pixels[None])
        written = self.network.generate(embedded, self._plainly(writer.generation_config))
        return Generated(embedded.shape[1], written)

    def _conversation(self, enquiry: Enquiry, seconds: NDArray[np.float64]) -> list[Said]:
        """All that was said; words that look like the mark of the video are no second one."""
        first, *others = [Said(role, words.replace(MARK, " ")) for role, words in self._said(enquiry)]
        times = ", ".join(f"{second:.2f}" for second in seconds)
        return [Said(first.role, f"{MARK}\nThe pictures are those at {times} s.\n{first.words}"), *others]

    def _written(self, said: list[Said], *, answered: bool) -> str:
        """In the form that the model was trained on."""
        messages = [{"role": role, "content": words} for role, words in said]
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=not answered
        )
        assert isinstance(text, str)
        return text

    def _tokens(self, text: str) -> Tensor:
        """(L,) with `VIDEO` at the mark, if there is one"""
        before, mark, after = text.partition(MARK)
        parts = [self.tokenizer(part, add_special_tokens=False)["input_ids"] for part in (before, after)]
        return torch.tensor([*parts[0], *([VIDEO] if mark else []), *parts[1]], dtype=torch.long)

    def _pixels(self, frames: Frames, seen: NDArray[np.int64]) -> Tensor:
        """(T, 3, S, S) in -1..1"""
        side = self.network.side
        view = View(frames.fps, side, side, fit="stretch", filter="bicubic")
        images = torch.from_numpy(np.stack([view(frames.images[k]) for k in seen]))
        return rearrange(images, "t h w c -> t c h w").float() / 127.5 - 1


def chosen(count: int, wanted: int) -> NDArray[np.int64]:
    """Which of `count` pictures are seen: the middles of `wanted` equal parts (mm_utils.py of VideoLLaMA2)."""
    middles = (np.arange(wanted) + 0.5) * (count - 1) / wanted
    return np.round(middles + 1e-6).astype(np.int64)


def adapt(network: VideoLLaMA2Network, folder: Path) -> None:
    """Add what was learned to the language model, and to the connector, if it was trained, too."""
    trained = take_connector(network, folder)
    if not trained or (folder / "adapter_config.json").is_file():
        network.language_model = with_adapter(network.language_model, folder)


def load_tokenizer(folder: Path) -> "Qwen2Tokenizer":
    with extra_for("a local planner"):
        from transformers import Qwen2Tokenizer

    with readable(folder):
        tokenizer: Qwen2Tokenizer = Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.chat_template is None:
        raise CheckpointError(f"{folder} holds no chat template; give the tokenizer of the published model")
    return tokenizer
