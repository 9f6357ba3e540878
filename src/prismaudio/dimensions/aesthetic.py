"""Aesthetic: how should it sound? The thought is about quality, loudness and room, not about sources."""

from typing import Literal

from pydantic import Field

from prismaudio.config import Config

QUESTION = "How should the recording sound: how clean, how loud, in what room?"

Flaw = Literal["noise", "hum", "clipping", "dull"]
FLAW_WORDS: dict[Flaw, str] = {
    "noise": "hissing noise",
    "hum": "electrical hum",
    "clipping": "distorted clipping",
    "dull": "dull muffled tone",
}


class AestheticThought(Config):
    quality: float = Field(1.0, ge=0, le=1, description="1 is a clean studio recording, 0 a ruined one")
    flaws: tuple[Flaw, ...] = ()
    loudness: Literal["quiet", "balanced", "loud"] = "balanced"
    room: Literal["dry", "room", "hall"] = "dry"


def render(thought: AestheticThought) -> str:
    """One paragraph of prose."""
    if thought.quality > 0.8:
        clarity = "clear, crisp and clean"
    elif thought.quality > 0.5:
        clarity = "of fair quality"
    else:
        clarity = "poor and degraded"
    flaws = f", with {' and '.join(FLAW_WORDS[flaw] for flaw in thought.flaws)}" if thought.flaws else ""
    room = {
        "dry": "close and dry",
        "room": "with natural room reverberation",
        "hall": "with long hall reverberation",
    }[thought.room]
    return f"The audio is {clarity}{flaws}, {thought.loudness} in loudness, {room}."
