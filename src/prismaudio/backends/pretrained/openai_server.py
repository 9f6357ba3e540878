"""Any server that speaks OpenAI's chat protocol: OpenAI itself, vLLM, SGLang, llama.cpp, Ollama and others.

The key comes from OPENAI_API_KEY and goes nowhere else. Videos travel as data URLs, which vLLM and SGLang read; pictures,
which all read, as JPEG behind words that say when each was seen.
"""

import os
from typing import TYPE_CHECKING, Any

from prismaudio.backends.pretrained.asking import (
    Answer,
    Enquiry,
    Film,
    Footage,
    Unanswered,
    data_url,
    jpeg,
    labelled,
    public,
    quoted,
)
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.backends.pretrained.patience import PATIENT, Busy, Patience, seconds

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAIError
    from openai.types.chat import ChatCompletion

KEY = "OPENAI_API_KEY"
ADDRESS = "OPENAI_BASE_URL"
NO_KEY = "none"  # the protocol wants some key even where the server wants none
LARGEST = 100 * 2**20  # bytes of video in one request
UNWELL = 500  # answers from here on are about the server and not about what it was asked
TRY_AGAIN = (408, 409, 425)
QUOTA = "insufficient_quota"


class OpenAIServer:
    """A `VideoModel`."""

    name = "openai"
    prefers: Footage = "frames"
    hears = False  # the servers that take videos drop their sound
    held_to_schema = True

    def __init__(self, model: str, base_url: str | None = None, patience: Patience = PATIENT) -> None:
        with extra_for("the planner 'openai'", extra="planners"):
            from openai import OpenAI

        self.model = model
        self.patience = patience
        base_url = base_url or os.environ.get(ADDRESS) or None
        self._key = os.environ.get(KEY, "")
        if not self._key and base_url is None:
            raise Unanswered(
                f"no key for OpenAI; set {KEY}, or give the address of a server: openai:MODEL@URL"
            )
        self._client = OpenAI(
            api_key=self._key or NO_KEY, base_url=base_url, timeout=patience.timeout, max_retries=0
        )
        self.address = public(str(self._client.base_url))

    def ask(self, enquiry: Enquiry) -> Answer:
        request = {
            "model": self.model,
            "messages": messages(enquiry),
            "seed": enquiry.seed,
            "response_format": _format(enquiry.schema),
        }
        said = self.patience.ask(lambda: self._post({k: v for k, v in request.items() if v is not None}))
        return self._answer(said)

    def _post(self, request: dict[str, Any]) -> "ChatCompletion":
        from openai import OpenAIError

        try:
            said: ChatCompletion = self._client.chat.completions.create(**request)
        except OpenAIError as error:
            raise self._told(error) from None  # what the server said may hold the key
        except ValueError:
            raise self._garbled("no JSON") from None
        return said

    def _answer(self, said: object) -> Answer:
        from openai.types.chat import ChatCompletion

        if not isinstance(said, ChatCompletion) or not said.choices:
            raise self._garbled("no choices")
        choice = said.choices[0]
        if choice.finish_reason == "length":
            raise Unanswered(
                f"{self.model} at {self.address} ran out of tokens in its answer; allow it more there"
            )
        if not choice.message.content:
            reason = quoted(choice.message.refusal or choice.finish_reason or "it said nothing", self._key)
            raise Unanswered(f"{self.model} at {self.address} gave no answer ({reason}); try another model")
        used = said.usage
        return Answer(
            choice.message.content,
            said.model or self.model,
            used.prompt_tokens if used else 0,
            used.completion_tokens if used else 0,
        )

    def _garbled(self, lack: str) -> Unanswered:
        return Unanswered(
            f"{self.address} does not answer as OpenAI's protocol has it ({lack}); the address often ends in /v1"
        )

    def _told(self, error: "OpenAIError") -> Unanswered:
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        if isinstance(error, APITimeoutError):
            return Busy(
                f"{self.address} did not answer within {self.patience.timeout:g} s; allow more, or try later"
            )
        if isinstance(error, APIConnectionError):
            return Busy(f"cannot reach {self.address}; check the address, and that the server runs")
        if isinstance(error, APIStatusError):
            return self._refused(error)
        return self._garbled(type(error).__name__)

    def _refused(self, error: "APIStatusError") -> Unanswered:
        status, said = error.status_code, quoted(error.message, self._key)
        if status in (401, 403):
            problem = f"refuses the key in {KEY}" if self._key else f"wants a key; set {KEY}"
            return Unanswered(f"{self.address} {problem} (answer {status})")
        if status == 404:
            return Unanswered(
                f"{self.address} knows no model {self.model!r}; check its name and the address ({said})"
            )
        if status == 429 and error.code != QUOTA:
            wait = seconds(error.response.headers.get("retry-after"))
            return Busy(f"{self.address} has had too many requests; try again later", wait)
        if status == 429:
            return Unanswered(
                f"the quota of {KEY} at {self.address} is used up; raise it, or take another planner"
            )
        if status >= UNWELL or status in TRY_AGAIN:
            wait = seconds(error.response.headers.get("retry-after"))
            return Busy(f"{self.address} answers {status}; try again later", wait)
        return Unanswered(
            f"{self.address} refuses the request (answer {status}: {said}); check model and footage"
        )


def messages(enquiry: Enquiry) -> list[dict[str, Any]]:
    """The conversation so far, as the protocol has it."""
    said: list[dict[str, Any]] = [
        {"role": "user", "content": [*_footage(enquiry), {"type": "text", "text": enquiry.text}]}
    ]
    for turn in enquiry.turns:
        said += [
            {"role": "assistant", "content": turn.answer},
            {"role": "user", "content": turn.objection},
        ]
    return said


def _footage(enquiry: Enquiry) -> list[dict[str, Any]]:
    footage = enquiry.footage
    if isinstance(footage, Film):
        if footage.size() > LARGEST:
            raise Unanswered(
                f"the video has {footage.size() / 2**20:.0f} MB and one request holds {LARGEST / 2**20:.0f}; "
                "send frames instead"
            )
        return [{"type": "video_url", "video_url": {"url": data_url(footage.mime, footage.read())}}]
    parts: list[dict[str, Any]] = []
    for label, image in labelled(footage):
        parts.append({"type": "text", "text": label})
        parts.append({"type": "image_url", "image_url": {"url": data_url("image/jpeg", jpeg(image))}})
    return parts


def _format(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    if schema is None:
        return None
    return {"type": "json_schema", "json_schema": {"name": "plan", "strict": True, "schema": schema}}
