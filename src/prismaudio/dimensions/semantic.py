"""Semantic: what sounds? The thought names the sources and what they do; everything else refers to them."""

from collections.abc import Sequence

from pydantic import Field

from prismaudio.config import Config

QUESTION = "Which things in this video make a sound, what do they do, and what should not be heard?"


class Event(Config):
    """One source that makes one kind of sound."""

    id: str = Field(min_length=1, description="how the other dimensions refer to it")
    sound: str = Field(min_length=1, description="what is heard, in words: 'a dog barking'")
    label: str | None = Field(None, description="class name of the sound, if it is one the system knows")
    on_screen: bool = True
    confidence: float = Field(1.0, ge=0, le=1)


class SemanticThought(Config):
    events: tuple[Event, ...] = ()
    ambience: tuple[str, ...] = Field((), description="what lies under the whole clip: 'wind blowing'")
    avoid: tuple[str, ...] = Field((), description="what must not be heard: 'music'")


def joined(items: Sequence[str]) -> str:
    """('a', 'b', 'c') -> 'a, b and c'"""
    *head, last = items
    return f"{', '.join(head)} and {last}" if head else last


def render(thought: SemanticThought) -> str:
    """One paragraph of prose."""
    sentences = []
    if thought.events:
        sentences.append(f"Generate the sound of {joined([event.sound for event in thought.events])}.")
        unseen = [event.sound for event in thought.events if not event.on_screen]
        if unseen:
            sentences.append(f"Off screen: {joined(unseen)}.")
    elif not thought.ambience:
        sentences.append("Generate silence.")
    if thought.ambience:
        sentences.append(f"In the background, {joined(thought.ambience)}.")
    if thought.avoid:
        sentences.append(f"Avoid {joined(thought.avoid)}.")
    return " ".join(sentences)
