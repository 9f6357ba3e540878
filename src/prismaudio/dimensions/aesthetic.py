"""Aesthetic: how should it sound? The thought is about quality, loudness and room, not about sources."""

import re
from collections.abc import Sequence
from typing import Literal, cast

from pydantic import Field
from torch import Tensor

from prismaudio.dimensions.thought import Thought
from prismaudio.dimensions.wording import number
from prismaudio.errors import PrismAudioError

QUESTION = "How should the recording sound: how clean, how loud, in what room?"

Flaw = Literal["noise", "hum", "clipping", "dull"]
Loudness = Literal["quiet", "balanced", "loud"]
Room = Literal["dry", "room", "hall"]
FLAW_WORDS: dict[Flaw, str] = {
    "noise": "hissing noise",
    "hum": "electrical hum",
    "clipping": "distorted clipping",
    "dull": "dull muffled tone",
}
ROOM_WORDS: dict[Room, str] = {
    "dry": "close and dry",
    "room": "with natural room reverberation",
    "hall": "with long hall reverberation",
}
CLEAN, FAIR = 0.8, 0.5  # quality above which a recording is called so
CLARITY = {"clear, crisp and clean": 1.0, "of fair quality": 0.65, "poor and degraded": 0.3}  # words: typical


class AestheticThought(Thought):
    quality: float = Field(1.0, ge=0, le=1, description="1 is a clean studio recording, 0 a ruined one")
    flaws: tuple[Flaw, ...] = ()
    loudness: Loudness = "balanced"
    room: Room = "dry"


def render(thought: AestheticThought, *, numeric: bool = False) -> str:
    """One paragraph of prose."""
    if thought.prose is not None:
        return thought.prose
    quality = round(thought.quality, 2) if numeric else thought.quality
    clear, fair, poor = CLARITY
    clarity = clear if quality > CLEAN else fair if quality > FAIR else poor
    if numeric:
        clarity += f" (quality {number(quality)})"
    flaws = f", with {' and '.join(FLAW_WORDS[flaw] for flaw in thought.flaws)}" if thought.flaws else ""
    return f"The audio is {clarity}{flaws}, {thought.loudness} in loudness, {ROOM_WORDS[thought.room]}."


_FLAW = f"(?:{'|'.join(FLAW_WORDS.values())})"
_PARAGRAPH = re.compile(
    rf"The audio is (?P<clarity>{'|'.join(CLARITY)})(?: \(quality (?P<quality>\d\.\d\d)\))?"
    rf"(?:, with (?P<flaws>{_FLAW}(?: and {_FLAW})*))?"
    rf", (?P<loudness>quiet|balanced|loud) in loudness, (?P<room>{'|'.join(ROOM_WORDS.values())})\."
)


def read(text: str) -> tuple[AestheticThought, int] | None:
    """The thought that the beginning of `text` was rendered from, and where it ends."""
    match = _PARAGRAPH.match(text)
    if match is None:
        return None
    told = {words: flaw for flaw, words in FLAW_WORDS.items()}
    rooms = {words: room for room, words in ROOM_WORDS.items()}
    thought = AestheticThought(
        quality=min(float(match["quality"]), 1.0) if match["quality"] else CLARITY[match["clarity"]],
        flaws=tuple(told[words] for words in re.findall(_FLAW, match["flaws"] or "")),
        loudness=cast(Loudness, match["loudness"]),
        room=rooms[match["room"]],
    )
    return thought, match.end()


class UnknownAxes(PrismAudioError):
    """A judge of quality whose points nobody has said how to read."""


def reward(points: Tensor, axes: Sequence[str]) -> Tensor:
    """(B, len(axes)) -> (B,) 0 to 1, by the judge's axes: its cleanness as it is, or enjoyment, usefulness and quality
    of Audiobox, which runs from 1 to 10. Its complexity is no vice (spec rewards.md 1.3).
    """
    if tuple(axes) == ("cleanness",):
        return points[..., 0].clamp(0, 1)
    ce, cu, _, pq = _audiobox(points, axes)
    return ((ce + cu + pq - 3) / 27).clamp(0, 1)


def published_reward(points: Tensor, axes: Sequence[str]) -> Tensor:
    """(B, 4) points of Audiobox -> (B,) -0.175 to 0.725: (CE + CU - PC + PQ) / 40, which punishes complexity"""
    ce, cu, pc, pq = _audiobox(points, axes)
    return (ce + cu - pc + pq) / 40


def _audiobox(points: Tensor, axes: Sequence[str]) -> list[Tensor]:
    """CE, CU, PC and PQ, (B,) each"""
    wanted = ("CE", "CU", "PC", "PQ")
    if not set(wanted) <= set(axes):
        raise UnknownAxes(f"a judge of quality with the axes {', '.join(axes)}; its reward is not defined")
    return [points[..., list(axes).index(axis)] for axis in wanted]
