"""What a language model that sees is asked, and what it answers: the same for a server and for a network on this machine.

The words are the planner's business, the way they travel is that of `openai_server`, `gemini` and `video_llm`.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

import cv2

from prismaudio.errors import PrismAudioError
from prismaudio.media.preprocess import Image
from prismaudio.types import Frames

JPEG_QUALITY = 90
LONGEST_QUOTE = 200  # characters of what a server says
HIDDEN = "***"

Footage = Literal["video", "frames"]


class Unanswered(PrismAudioError):
    """No answer could be had; the message holds no key, whatever the server said."""


@dataclass(frozen=True, eq=False)
class Film:
    """A video as a file, in memory or on disk, for those who can play it."""

    content: bytes | Path
    mime: str  # "video/mp4"
    fps: float  # how many pictures a second are worth a look

    def read(self) -> bytes:
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content

    def size(self) -> int:
        """Bytes."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)


class Turn(NamedTuple):
    """An answer that could not be used, and what was said to that."""

    answer: str
    objection: str


@dataclass(frozen=True, eq=False)
class Enquiry:
    """One clip, one question, and what was said about it so far."""

    text: str
    footage: Frames | Film
    schema: dict[str, Any] | None = None  # JSON schema of the answer, where the model can be held to one
    seed: int = 0
    turns: tuple[Turn, ...] = ()


class Answer(NamedTuple):
    text: str
    model: str  # as it names itself
    read: int  # tokens
    written: int


class VideoModel(Protocol):
    """A language model that sees."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str:
        """Which one is asked."""
        ...

    @property
    def prefers(self) -> Footage: ...

    @property
    def hears(self) -> bool:
        """Whether the sound of a video reaches it."""
        ...

    @property
    def held_to_schema(self) -> bool: ...

    def ask(self, enquiry: Enquiry) -> Answer:
        """`Unanswered` if there is no answer."""
        ...


def labelled(frames: Frames) -> Iterable[tuple[str, Image]]:
    """Each picture behind words that say when it was seen."""
    return ((f"{k / frames.fps:.2f} s:", image) for k, image in enumerate(frames.images))


def jpeg(image: Image) -> bytes:
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()


def data_url(mime: str, content: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def quoted(text: object, *secrets: str) -> str:
    """What a server said, on one line, without any of `secrets`."""
    said = " ".join(str(text).split())
    for secret in filter(None, secrets):
        said = said.replace(secret, HIDDEN)
    return said if len(said) <= LONGEST_QUOTE else said[:LONGEST_QUOTE] + "..."


def public(url: str) -> str:
    """An address without the name and password, or the parameters, that it may hold."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}".rstrip("/")
