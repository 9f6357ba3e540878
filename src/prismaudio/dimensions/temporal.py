"""Temporal: when does it sound? The thought gives every event its spans and hits in seconds."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from prismaudio.config import Config

QUESTION = (
    "In which order do the sounds start and stop, at which seconds, and in which rhythm do they repeat?"
)


class Span(Config):
    """A stretch in which an event is heard; `hits` are the instants of its separate strikes, if it has any."""

    event: str
    onset: float = Field(ge=0, description="seconds")
    offset: float = Field(gt=0, description="seconds")
    hits: tuple[float, ...] = Field(
        (), description="seconds, rising, inside the span; empty for a continuous sound"
    )
    strengths: tuple[float, ...] = Field((), description="loudness of each hit from 0 to 1; empty: all alike")

    @model_validator(mode="after")
    def _hits_lie_inside(self) -> Self:
        if self.offset <= self.onset:
            raise ValueError(f"offset {self.offset} is not after onset {self.onset}")
        if any(not self.onset - 1e-6 <= hit <= self.offset + 1e-6 for hit in self.hits):
            raise ValueError(f"hits {self.hits} must lie between onset {self.onset} and offset {self.offset}")
        if list(self.hits) != sorted(self.hits):
            raise ValueError(f"hits {self.hits} must rise")
        if self.strengths and len(self.strengths) != len(self.hits):
            raise ValueError(
                f"{len(self.strengths)} strengths for {len(self.hits)} hits; give one each or none"
            )
        return self

    def onsets(self) -> tuple[float, ...]:
        """Every instant at which something starts to sound."""
        return self.hits or (self.onset,)


class TemporalThought(Config):
    spans: tuple[Span, ...] = ()


def rhythm(hits: tuple[float, ...]) -> str:
    """A word for the pattern of `hits`: once, regular, speeding up, slowing down, irregular."""
    gaps = [later - earlier for earlier, later in zip(hits[:-1], hits[1:], strict=True)]
    if not gaps:
        return "once"
    if len(gaps) == 1:
        return "twice"
    mean = sum(gaps) / len(gaps)
    if all(abs(gap - mean) < 0.2 * mean for gap in gaps):
        return "at a regular pace"
    if all(later < earlier for earlier, later in zip(gaps[:-1], gaps[1:], strict=True)):
        return "ever faster"
    if all(later > earlier for earlier, later in zip(gaps[:-1], gaps[1:], strict=True)):
        return "ever slower"
    return "irregularly"


def render(thought: TemporalThought, sounds: Mapping[str, str], duration: float, *, numeric: bool) -> str:
    """One paragraph; ordinal words ('First ... then ...') or, if `numeric`, seconds. `sounds`: event id -> words."""
    spans = sorted(thought.spans, key=lambda span: span.onset)
    if not spans:
        return "Nothing changes over time."
    sentences = []
    for number, span in enumerate(spans):
        order = "First" if number == 0 else "finally" if number == len(spans) - 1 else "then"
        sentences.append(f"{order} {sounds[span.event]} {_manner(span, duration, numeric)}")
    return ", ".join(sentences) + "."


def _manner(span: Span, duration: float, numeric: bool) -> str:
    if span.hits:
        count = "" if len(span.hits) <= 2 else f"{len(span.hits)} times "
        manner = f"{count}{rhythm(span.hits)}"
        return f"{manner} at {', '.join(f'{hit:.2f}' for hit in span.hits)} s" if numeric else manner
    if numeric:
        return f"from {span.onset:.2f} to {span.offset:.2f} s"
    throughout = span.onset < 0.1 * duration and span.offset > 0.9 * duration
    return "throughout" if throughout else "until it fades" if span.offset < 0.9 * duration else "to the end"
