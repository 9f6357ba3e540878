"""Google's Gemini, the teacher of the published model's thoughts: sees whole videos, and hears them if they have sound.

The key comes from GEMINI_API_KEY or GOOGLE_API_KEY and goes nowhere else. Videos below `INLINE` bytes travel inside the
request, larger ones through the Files API, from where they are deleted after the answer.
"""

import io
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from prismaudio.backends.pretrained.asking import (
    Answer,
    Enquiry,
    Film,
    Footage,
    Unanswered,
    jpeg,
    labelled,
    public,
    quoted,
)
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.backends.pretrained.patience import PATIENT, Busy, Patience, seconds

if TYPE_CHECKING:
    from google.genai.errors import APIError
    from google.genai.types import File, GenerateContentResponse, Part

KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
ADDRESS = "https://generativelanguage.googleapis.com"
VERSION = "v1beta"  # of the protocol: schemas in JSON, and how often to look at a video
MODEL = "gemini-2.5-pro"
INLINE = 100 * 10**6  # bytes
UNWELL = 500
A_DAY = "PerDay"  # in the name of a quota that a few seconds do not refill
DELAY = re.compile(r"'retryDelay': '([\d.]+)s'")
CUT_OFF = "MAX_TOKENS"
READY, BROKEN = "ACTIVE", "FAILED"
POLL = 2.0  # seconds between looks at an upload that is being prepared


class Gemini:
    """A `VideoModel`."""

    name = "gemini"
    prefers: Footage = "video"
    hears = True
    held_to_schema = True

    def __init__(
        self,
        model: str = MODEL,
        base_url: str | None = None,
        patience: Patience = PATIENT,
        inline: int = INLINE,
        poll: float = POLL,
    ) -> None:
        with extra_for("the planner 'gemini'", extra="planners"):
            from google import genai
            from google.genai.types import HttpOptions

        self.model = model
        self.patience = patience
        self.inline = inline
        self.poll = poll
        self.address = public(base_url or ADDRESS)
        self._key = next((key for name in KEYS if (key := os.environ.get(name))), "")
        if not self._key:
            raise Unanswered(f"no key for Gemini; set {KEYS[0]}")
        self._client = genai.Client(
            api_key=self._key,
            vertexai=False,
            http_options=HttpOptions(
                base_url=base_url or ADDRESS, api_version=VERSION, timeout=int(patience.timeout * 1000)
            ),
        )

    def ask(self, enquiry: Enquiry) -> Answer:
        from google.genai.types import GenerateContentConfig

        config = GenerateContentConfig(
            seed=enquiry.seed,
            response_mime_type="application/json" if enquiry.schema else None,
            response_json_schema=enquiry.schema,
        )
        with self._footage(enquiry.footage) as footage:
            contents = conversation(enquiry, footage)
            said = self.patience.ask(
                lambda: self._try(
                    self._client.models.generate_content, model=self.model, contents=contents, config=config
                )
            )
        return self._answer(said)

    def _answer(self, said: "GenerateContentResponse") -> Answer:
        why = _end(said)
        if why == CUT_OFF:
            raise Unanswered(f"{self.model} ran out of tokens in its answer; ask about a shorter clip")
        if not said.text:
            raise Unanswered(
                f"{self.model} gave no answer ({why}); try another model, or frames instead of video"
            )
        used = said.usage_metadata
        return Answer(
            said.text,
            said.model_version or self.model,
            (used.prompt_token_count if used else None) or 0,
            (used.candidates_token_count if used else None) or 0,
        )

    @contextmanager
    def _footage(self, footage: Any) -> "Iterator[list[Part]]":
        """What is seen, as parts of a message, for as long as the message needs it."""
        from google.genai.types import Blob, FileData, Part, VideoMetadata

        if not isinstance(footage, Film):
            yield [part for label, image in labelled(footage) for part in _picture(label, image)]
            return
        look = VideoMetadata(fps=footage.fps)
        if footage.size() < self.inline:
            blob = Blob(data=footage.read(), mime_type=footage.mime)
            yield [Part(inline_data=blob, video_metadata=look)]
            return
        file = self.patience.ask(lambda: self._upload(footage))
        try:
            ready = self._when_ready(file)
            yield [Part(file_data=FileData(file_uri=ready.uri, mime_type=footage.mime), video_metadata=look)]
        finally:
            with suppress(Unanswered):  # the service deletes it by itself after two days
                self._try(self._client.files.delete, name=file.name)

    def _upload(self, film: Film) -> "File":
        """Without the name of the file."""
        if isinstance(film.content, bytes):
            return self._try(
                self._client.files.upload, file=io.BytesIO(film.content), config={"mime_type": film.mime}
            )
        with film.content.open("rb") as content:
            return self._try(self._client.files.upload, file=content, config={"mime_type": film.mime})

    def _when_ready(self, file: "File") -> "File":
        """The upload, once the service has looked through it."""
        began = time.monotonic()
        while _state(file) != READY:
            if _state(file) == BROKEN:
                raise Unanswered(
                    f"{self.address} cannot read the video; re-encode it, or send frames instead"
                )
            if time.monotonic() - began > self.patience.timeout:
                raise Unanswered(
                    f"{self.address} has not prepared the video within {self.patience.timeout:g} s; allow more time"
                )
            time.sleep(self.poll)
            look = partial(self._try, self._client.files.get, name=file.name)
            file = self.patience.ask(look)
        return file

    def _try(self, call: Any, **options: Any) -> Any:
        """What `call` returns; what goes wrong, in one line without the key."""
        from google.genai.errors import APIError

        try:
            return call(**options)
        except APIError as error:
            raise self._refused(error) from None
        except timed_out():
            raise Busy(
                f"{self.address} did not answer within {self.patience.timeout:g} s; allow more, or try later"
            ) from None
        except lost_on_the_way():
            raise Busy(f"cannot reach {self.address}; check the network") from None
        except (ValueError, KeyError):
            raise Unanswered(
                f"{self.address} does not answer as Gemini's protocol has it; check the address"
            ) from None

    def _refused(self, error: "APIError") -> Unanswered:
        status, said = error.code, quoted(error.message, self._key)
        if status in (401, 403) or "api key" in said.lower():
            return Unanswered(f"{self.address} refuses the key in {' or '.join(KEYS)} (answer {status})")
        if status == 404:
            return Unanswered(f"{self.address} knows no model {self.model!r}; check its name ({said})")
        if status == 429 and A_DAY in str(error.details):
            return Unanswered(f"the day's quota of your key at {self.address} is used up; go on tomorrow")
        if status == 429 or status >= UNWELL:
            problem = "has had too many requests" if status == 429 else f"answers {status}"
            return Busy(f"{self.address} {problem}; try again later", _wait(error))
        return Unanswered(
            f"{self.address} refuses the request (answer {status}: {said}); check model and footage"
        )


def conversation(enquiry: Enquiry, footage: "list[Part]") -> list[Any]:
    """What was said so far."""
    from google.genai.types import Content, Part

    said = [Content(role="user", parts=[*footage, Part(text=enquiry.text)])]
    for turn in enquiry.turns:
        said.append(Content(role="model", parts=[Part(text=turn.answer)]))
        said.append(Content(role="user", parts=[Part(text=turn.objection)]))
    return said


def _picture(label: str, image: Any) -> "list[Part]":
    from google.genai.types import Part

    return [Part(text=label), Part.from_bytes(data=jpeg(image), mime_type="image/jpeg")]


def _wait(error: "APIError") -> float | None:
    """Seconds, as the service wishes."""
    told = DELAY.search(str(error.details))
    return seconds(told[1] if told else getattr(error.response, "headers", {}).get("retry-after"))


def _end(said: "GenerateContentResponse") -> str:
    """Why the answer ends where it ends: STOP, MAX_TOKENS, SAFETY ..."""
    if said.candidates:
        finish = said.candidates[0].finish_reason
        return finish.name if finish else "no reason given"
    block = said.prompt_feedback.block_reason if said.prompt_feedback else None
    return block.name if block else "no reason given"


def _state(file: "File") -> str:
    return file.state.name if file.state else READY


def lost_on_the_way() -> tuple[type[Exception], ...]:
    """What goes wrong with requests, in whichever library Google's makes them."""
    return (OSError, *_of_transport("TransportError"))


def timed_out() -> tuple[type[Exception], ...]:
    return (TimeoutError, *_of_transport("TimeoutException"))


def _of_transport(name: str) -> list[type[Exception]]:
    found = []
    for library in ("httpx", "httpx2"):
        with suppress(ImportError):
            found.append(getattr(import_module(library), name))
    return found
