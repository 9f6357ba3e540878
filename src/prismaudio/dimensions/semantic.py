"""Semantic: what sounds? The thought names the sources and what they do; everything else refers to them."""

import re
from collections.abc import Sequence

from pydantic import Field
from torch import Tensor

from prismaudio.dimensions.thought import Part, Thought, Words
from prismaudio.dimensions.wording import (
    LIST,
    joined,
    listed,
    quoted,
    sound_and_count,
    told_names,
    unquoted,
)

QUESTION = "Which things in this video make a sound, what do they do, and what should not be heard?"
PUBLISHED_DIVISOR = 80.0


class Event(Part):
    """One source that makes one kind of sound."""

    id: str = Field(min_length=1, description="how the other dimensions refer to it")
    sound: Words = Field(description="what is heard, in words: 'a dog barking'")
    label: str | None = Field(None, description="class name of the sound, if it is one the system knows")
    on_screen: bool = True
    confidence: float = Field(1.0, ge=0, le=1)


class SemanticThought(Thought):
    events: tuple[Event, ...] = ()
    ambience: tuple[Words, ...] = Field((), description="what lies under the whole clip: 'wind blowing'")
    avoid: tuple[Words, ...] = Field((), description="what must not be heard: 'music'")


def render(thought: SemanticThought) -> str:
    """One paragraph. Prose stands as it is; what is to be avoided is added to it if it does not say so."""
    if thought.prose is None:
        return " ".join(_sentences(thought))
    spoken = " ".join(thought.prose.split()).casefold()
    unsaid = [
        item
        for item in thought.avoid
        if item.casefold() not in spoken and quoted(item).casefold() not in spoken
    ]
    return " ".join(part for part in (thought.prose, *_avoid(unsaid)) if part)


def _sentences(thought: SemanticThought) -> list[str]:
    names = told_names({event.id: event.sound for event in thought.events})
    sentences = []
    if thought.events:
        sentences.append(f"Generate the sound of {joined(list(names.values()))}.")
        unseen = [names[event.id] for event in thought.events if not event.on_screen]
        if unseen:
            sentences.append(f"Off screen: {joined(unseen)}.")
    elif not thought.ambience:
        sentences.append("Generate silence.")
    if thought.ambience:
        sentences.append(f"In the background, {joined([quoted(item) for item in thought.ambience])}.")
    return sentences + _avoid(thought.avoid)


def _avoid(items: Sequence[str]) -> list[str]:
    return [f"Avoid {joined([quoted(item) for item in items])}."] if items else []


_PARAGRAPH = re.compile(
    rf"(?:Generate silence\.|Generate the sound of (?P<events>{LIST})\.(?: Off screen: (?P<unseen>{LIST})\.)?)?"
    rf"(?: ?In the background, (?P<ambience>{LIST})\.)?(?: ?Avoid (?P<avoid>{LIST})\.)?"
)


def read(text: str) -> tuple[SemanticThought, int] | None:
    """The thought that the beginning of `text` was rendered from, and where it ends; ids are s1, s2, ..."""
    match = _PARAGRAPH.match(text)
    if match is None or not match[0]:
        return None
    found = {name: listed(items) if items else () for name, items in match.groupdict().items()}
    events = tuple(
        Event(id=f"s{number}", sound=sound_and_count(name)[0], on_screen=name not in found["unseen"])
        for number, name in enumerate(found["events"], start=1)
    )
    thought = SemanticThought(
        events=events,
        ambience=tuple(unquoted(item) for item in found["ambience"]),
        avoid=tuple(unquoted(item) for item in found["avoid"]),
    )
    return thought, match.end()


def adding(thought: SemanticThought, events: Sequence[Event]) -> SemanticThought:
    """The thought with more events; prose says so in a sentence of its own."""
    prose = thought.prose
    if prose and events:
        prose = f"{prose} Also {joined([quoted(event.sound) for event in events])}."
    return thought.model_copy(update={"events": (*thought.events, *events), "prose": prose})


def without_avoid(thought: SemanticThought) -> SemanticThought:
    """The thought without what must not be heard, and its prose without the sentences that say so."""
    prose = thought.prose
    if prose:
        sentences = re.split(r"(?<=[.!?])\s+", prose)
        prose = " ".join(part for part in sentences if not re.search(r"\bavoid", part, re.IGNORECASE))
    return thought.model_copy(update={"avoid": (), "prose": prose})


def names_something(thought: SemanticThought) -> bool:
    """Whether it says anything that can be heard."""
    return bool(thought.events or thought.ambience) if thought.prose is None else bool(thought.prose.strip())


def reward(cosine: Tensor) -> Tensor:
    """(B,) cosine of sound and words -> (B,) 0 to 1: half of one plus it. What is unlike is told apart, too."""
    return ((1 + cosine) / 2).clamp(0, 1)  # a product of unit vectors may round to more than 1


def published_reward(cosine: Tensor, sharpness: float) -> Tensor:
    """(B,) cosine -> (B,): scaled by the judge's own `sharpness` over 80, as PrismAudio does (spec rewards.md 1.1)"""
    return cosine * sharpness / PUBLISHED_DIVISOR
