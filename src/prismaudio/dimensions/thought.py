"""What the four thoughts have in common: finite numbers, words on one line, and prose that may stand for a sentence."""

import re
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from prismaudio.config import Config

_NAME = (
    r"(?P<{0}>semantic|temporal|aesthetic|spatial)s?"
    r"(?:[ \t]+(?:cot|chain[- ]of[- ]thought|thoughts?|reasoning|dimension|analysis|paragraph|description))?"
)
_BULLET = r"(?:^[ \t]*(?:[-*+•]|\d+[.)]|\#+)[ \t]+)"
# <Semantic>, [Semantic] anywhere; "Semantic:", "**Semantic CoT**:", "## Semantic" at the start of a line
TAG = re.compile(
    rf"{_BULLET}?(?:\*\*)?[<\[][ \t]*{_NAME.format('bracketed')}[ \t]*[>\]](?:\*\*)?:?"
    rf"|(?:{_BULLET}|^[ \t]*)(?:\*\*|__)?{_NAME.format('labelled')}(?:\*\*|__)?[ \t]*:(?:\*\*|__)?"
    rf"|(?:{_BULLET}|^[ \t]*)(?:\*\*|__|\#+[ \t]*){_NAME.format('headed')}(?:\*\*|__)?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
CLOSING_TAG = re.compile(r"</[ \t]*(?:semantic|temporal|aesthetic|spatial)[ \t]*>", re.IGNORECASE)
FENCE = "```"


def _on_one_line(words: str) -> str:
    if not words.strip():
        raise ValueError("is empty; write what it sounds like, or leave it out")
    return " ".join(words.split())


Words = Annotated[str, AfterValidator(_on_one_line)]
Share = Annotated[float, Field(ge=0, le=1)]


class Part(Config):
    """Base of everything in a plan: numbers are finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class Thought(Part):
    """Base of the four thoughts."""

    prose: str | None = Field(
        None, description="said instead of the generated sentences; an empty text says nothing at all"
    )

    @field_validator("prose")
    @classmethod
    def _is_one_paragraph(cls, prose: str | None) -> str | None:
        """Tags divide the paragraphs of a text, so a paragraph holds none."""
        if prose is None:
            return None
        if tag := TAG.search(prose) or CLOSING_TAG.search(prose):
            raise ValueError(
                f"{tag[0].strip()!r} is a tag; write what belongs to each dimension into its own prose"
            )
        if FENCE in prose:
            raise ValueError(f"{FENCE!r} marks code; write prose without it")
        return prose.strip()
