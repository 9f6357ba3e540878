"""What a local vision-language model is given to read and to see: the same words when it is asked and when it learns."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from prismaudio.backends.pretrained.asking import Enquiry, labelled
from prismaudio.types import Frames

Processor = Any  # of transformers, which types none of its many kinds


class Prompt(NamedTuple):
    """One conversation, up to where the model is to speak."""

    text: str  # with a mark where each picture, or the video, belongs
    seen: dict[str, Any]  # pictures as the processor takes them


class Conversation:
    """Enquiries as a processor takes them: frames as one video where it plays videos, else as pictures."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self.plays = getattr(processor, "video_processor", None) is not None

    def prompt(self, enquiry: Enquiry, frames: Frames) -> Prompt:
        """The conversation so far, with what is seen."""
        seen: dict[str, Any]
        if self.plays:
            parts = [{"type": "video"}]
            seen = {"videos": [frames.images], "video_metadata": [_metadata(frames)]}
        else:
            parts = [part for label, _ in labelled(frames) for part in (text_part(label), {"type": "image"})]
            seen = {"images": [list(frames.images)]}
        said = [{"role": "user", "content": [*parts, text_part(self.bare(enquiry.text))]}]
        for turn in enquiry.turns:
            said.append({"role": "assistant", "content": [text_part(self.bare(turn.answer))]})
            said.append({"role": "user", "content": [text_part(self.bare(turn.objection))]})
        return Prompt(self.templated(said, answering=True), seen)

    def read(self, prompts: Sequence[Prompt], **options: Any) -> Any:
        """As tokens, of several conversations at once; options: of the processor, such as padding."""
        seen: dict[str, Any] = {name: [] for name in prompts[0].seen}
        for prompt in prompts:
            for name, values in prompt.seen.items():
                seen[name] += values
        if self.plays:
            seen["do_sample_frames"] = False
        texts = [prompt.text for prompt in prompts]
        begun = texts[0].startswith(self.processor.tokenizer.bos_token or "\0")
        return self.processor(
            text=texts, return_tensors="pt", add_special_tokens=not begun, **options, **seen
        )

    def templated(self, said: Sequence[Any], *, answering: bool) -> str:
        """As the model's template writes it; `answering`: up to where the model begins to speak."""
        text: str = self.processor.apply_chat_template(
            list(said), add_generation_prompt=answering, tokenize=False
        )
        return text

    def bare(self, words: str) -> str:
        """Without what the tokenizer would take for a picture or for the end of a turn."""
        for token in self.processor.tokenizer.added_tokens_decoder.values():
            words = words.replace(token.content, " ") if token.special else words
        return words


def text_part(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def _metadata(frames: Frames) -> Any:
    from transformers.video_utils import VideoMetadata

    count = len(frames.images)
    return VideoMetadata(
        total_num_frames=count, fps=frames.fps, duration=frames.duration, frames_indices=list(range(count))
    )
