"""Questions with their right answers as batches: what the model reads is what it will be asked, and only answers count.

Shapes: B lessons, P tokens of the longest question, A of the longest answer.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from prismaudio.backends.pretrained.asking import Enquiry, Film
from prismaudio.backends.pretrained.conversation import Conversation, text_part
from prismaudio.models.checkpoints import CheckpointError

IGNORED = -100  # label of a token that is not in the loss
SOME_ANSWER = "a badger, twice"  # not in any template
KINDS = ("token_type_ids", "mm_token_type_ids")  # what some processors say about each token; words are 0


class TaughtAnswer(NamedTuple):
    """A question and what is right to say."""

    enquiry: Enquiry  # about frames
    answer: str


class Batcher:
    """Lessons -> what the network takes, and its labels."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.tokenizer = conversation.processor.tokenizer
        self.end = self._end()

    def __call__(self, lessons: Sequence[TaughtAnswer]) -> dict[str, Tensor]:
        """input_ids, attention_mask and labels: (B, P + A), questions to the right of their padding, answers to the
        left of theirs; and the pictures."""
        prompts = []
        for lesson in lessons:
            assert not isinstance(lesson.enquiry.footage, Film)
            prompts.append(self.conversation.prompt(lesson.enquiry, lesson.enquiry.footage))
        batch = dict(self.conversation.read(prompts, padding=True, padding_side="left"))
        answers, mask = self.answers([lesson.answer for lesson in lessons])
        asked = torch.full_like(batch["input_ids"], IGNORED)
        for kind in KINDS:
            if kind in batch:
                batch[kind] = torch.cat([batch[kind], torch.zeros_like(answers)], dim=1)
        return batch | {
            "input_ids": torch.cat([batch["input_ids"], answers], dim=1),
            "attention_mask": torch.cat([batch["attention_mask"], mask], dim=1),
            "labels": torch.cat([asked, answers.masked_fill(mask == 0, IGNORED)], dim=1),
        }

    def answers(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """-> tokens with the end of the turn, and where they are, (B, A) each"""
        rows = [
            torch.tensor(
                self.tokenizer(self.conversation.bare(text) + self.end, add_special_tokens=False)["input_ids"]
            )
            for text in texts
        ]
        mask = [torch.ones_like(row) for row in rows]
        padding = self.tokenizer.pad_token_id or 0
        return pad_sequence(rows, batch_first=True, padding_value=padding), pad_sequence(
            mask, batch_first=True
        )

    def _end(self) -> str:
        """What the model's template writes after an answer: the model must learn to stop."""
        said: list[Any] = [
            {"role": "user", "content": [text_part("question")]},
            {"role": "assistant", "content": [text_part(SOME_ANSWER)]},
        ]
        end = self.conversation.templated(said, answering=False).rpartition(SOME_ANSWER)[2].strip()
        end = end or self.tokenizer.eos_token
        if not end:
            raise CheckpointError(
                "the model has no sign for the end of an answer; give one that follows instructions"
            )
        return end
