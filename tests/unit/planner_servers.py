"""Servers on loopback that speak OpenAI's chat protocol and Gemini's REST protocol: strict about what they are sent.

The wire formats are written by hand after what the services send. Answers are scripted; everything asked is kept.
"""

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

KEY = "sk-open-sesame-7f3a"
MODELS = ("tiny-vl", "gemini-2.5-pro")
STRICT = {"type", "enum", "description", "items", "properties", "required", "additionalProperties"}


class Reply(NamedTuple):
    """What a server sends back, whatever it was asked."""

    status: int
    body: Any  # JSON values, or bytes as they are
    headers: dict[str, str] = {}  # noqa: RUF012
    delay: float = 0.0  # seconds


@dataclass
class Server:
    """A service: what it will say, one after the other, and what it was asked."""

    kind: type["Handler"]
    script: list[str | Reply] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)  # bodies
    paths: list[str] = field(default_factory=list)  # "POST /v1/chat/completions"
    uploads: list[bytes] = field(default_factory=list)
    waits: int = 0  # looks at an upload until it is ready
    broken: bool = False  # uploads cannot be read
    released: threading.Event = field(default_factory=threading.Event)  # ends delays
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(server: Server) -> Iterator[Server]:
    handler = type("Bound", (server.kind,), {"server_state": server})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        server.port = http.server_port
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            http.shutdown()
            thread.join()


class Handler(BaseHTTPRequestHandler):
    """Reads a request, sends a reply."""

    server_state: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""

    def read(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def send(self, reply: Reply) -> None:
        self.server_state.released.wait(reply.delay) if reply.delay else None
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in ({"content-type": "application/json"} | reply.headers).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client gave up waiting

    def next(self, said: Callable[[str], Any]) -> Reply:
        """The next reply of the script; a text is what the model says."""
        reply = self.server_state.script.pop(0)
        return Reply(200, said(reply)) if isinstance(reply, str) else reply


class OpenAI(Handler):
    """/v1/chat/completions of a server with one model."""

    def do_POST(self) -> None:  # noqa: N802
        state = self.server_state
        body = json.loads(self.read())
        state.paths.append(f"POST {self.path}")
        state.asked.append(body)
        self.send(self.answer(body))

    def answer(self, body: dict[str, Any]) -> Reply:
        if self.path != "/v1/chat/completions":
            return Reply(404, {"detail": "Not Found"})
        if self.headers.get("authorization") not in (f"Bearer {KEY}", "Bearer none"):
            return openai_error(
                401, f"Incorrect API key provided: {self.headers['authorization']}.", "invalid_api_key"
            )
        if body["model"] not in MODELS:
            return openai_error(404, f"The model `{body['model']}` does not exist.", "model_not_found")
        problem = unlike_openai(body)
        return openai_error(400, problem, None) if problem else self.next(chat_completion)


def unlike_openai(body: dict[str, Any]) -> str | None:
    """What a strict server would not accept of a request."""
    unknown = set(body) - {"model", "messages", "seed", "response_format"}
    if unknown:
        return f"Unrecognized request arguments: {sorted(unknown)}"
    form = body.get("response_format")
    if form is not None:
        spec = form["json_schema"]
        if form["type"] != "json_schema" or not spec["strict"] or set(spec) != {"name", "strict", "schema"}:
            return "Invalid response_format"
        if problem := unlike_strict(spec["schema"]):
            return f"Invalid schema for response_format '{spec['name']}': {problem}"
    for message in body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else []:
            media = part.get("image_url") or part.get("video_url")
            if part["type"] not in ("text", "image_url", "video_url") or (
                media and not decoded(media["url"])
            ):
                return f"Invalid content part {part['type']}"
    return None


def decoded(url: str) -> tuple[str, bytes]:
    """The type and the bytes of a data URL."""
    head, _, body = url.partition(";base64,")
    return head.removeprefix("data:"), base64.b64decode(body, validate=True)


def unlike_strict(schema: dict[str, Any], where: str = "()") -> str | None:
    """What the strict mode of structured outputs does not accept."""
    if unknown := set(schema) - STRICT:
        return f"In context={where}, {sorted(unknown)} is not permitted"
    if schema["type"] == "object":
        if schema.get("additionalProperties") is not False:
            return f"In context={where}, 'additionalProperties' is required to be supplied and to be false"
        if set(schema["required"]) != set(schema["properties"]):
            return f"In context={where}, 'required' must include every key in properties"
    below = {**schema.get("properties", {}), **({"items": schema["items"]} if "items" in schema else {})}
    return next((problem for name, part in below.items() if (problem := unlike_strict(part, name))), None)


def chat_completion(text: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-9f6b1c",
        "object": "chat.completion",
        "created": 1763800000,
        "model": "tiny-vl-2026-11",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None, "tool_calls": []}
                | message,
                "logprobs": None,
                "finish_reason": finish,
            }
        ],
        "usage": {"prompt_tokens": 812, "completion_tokens": 96, "total_tokens": 908},
        "system_fingerprint": None,
    }


def openai_error(status: int, message: str, code: str | None, **headers: str) -> Reply:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Reply(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


class Gemini(Handler):
    """generateContent and the Files API."""

    def do_POST(self) -> None:  # noqa: N802
        state, content = self.server_state, self.read()
        state.paths.append(f"POST {self.path}")
        if self.headers.get("x-goog-api-key") != KEY and not self.path.startswith("/here"):
            self.send(
                gemini_error(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT")
            )
        elif self.path == "/upload/v1beta/files":
            self.send(
                Reply(200, {}, {"x-goog-upload-url": f"{state.url}/here/1", "x-goog-upload-status": "active"})
            )
        elif self.path.startswith("/here"):
            state.uploads.append(content)
            state.asked.append({"upload headers": dict(self.headers)})
            self.send(Reply(200, {"file": self.file()}, {"x-goog-upload-status": "final"}))
        else:
            state.asked.append(in_camel_case(json.loads(content)))
            self.send(self.generate(self.path.removeprefix("/v1beta/models/"), state.asked[-1]))

    def do_GET(self) -> None:  # noqa: N802
        self.server_state.paths.append(f"GET {self.path}")
        self.server_state.waits -= 1
        self.send(Reply(200, self.file()))

    def do_DELETE(self) -> None:  # noqa: N802
        self.server_state.paths.append(f"DELETE {self.path}")
        self.send(Reply(200, {}))

    def file(self) -> dict[str, Any]:
        state = self.server_state
        ready = "FAILED" if state.broken else "PROCESSING" if state.waits > 0 else "ACTIVE"
        return {
            "name": "files/abc-123",
            "mimeType": "video/mp4",
            "sizeBytes": str(len(state.uploads[-1])),
            "uri": f"{state.url}/v1beta/files/abc-123",
            "state": ready,
            "source": "UPLOADED",
        }

    def generate(self, call: str, body: dict[str, Any]) -> Reply:
        model, _, verb = call.partition(":")
        if model not in MODELS or verb != "generateContent":
            return gemini_error(404, f"models/{model} is not found for API version v1beta", "NOT_FOUND")
        config = body.get("generationConfig", {})
        schema = config.get("responseJsonSchema")
        if schema is not None and (
            config.get("responseMimeType") != "application/json" or unlike_strict(schema)
        ):
            return gemini_error(400, "Invalid response schema", "INVALID_ARGUMENT")
        return self.next(generated)


def in_camel_case(values: Any) -> Any:
    """The service reads mime_type as mimeType; what is in a schema is left alone."""
    if isinstance(values, list):
        return [in_camel_case(value) for value in values]
    if not isinstance(values, dict):
        return values
    return {
        (name := re.sub("_(.)", lambda match: match[1].upper(), key)): (
            value if name == "responseJsonSchema" else in_camel_case(value)
        )
        for key, value in values.items()
    }


def generated(text: str | None, finish: str = "STOP") -> dict[str, Any]:
    content = {"role": "model", **({"parts": [{"text": text}]} if text is not None else {})}
    return {
        "candidates": [{"content": content, "finishReason": finish, "index": 0}],
        "usageMetadata": {"promptTokenCount": 2710, "candidatesTokenCount": 143, "totalTokenCount": 2853},
        "modelVersion": "gemini-2.5-pro-002",
        "responseId": "x1",
    }


def gemini_error(code: int, message: str, status: str, details: list[dict[str, Any]] | None = None) -> Reply:
    return Reply(
        code, {"error": {"code": code, "message": message, "status": status, "details": details or []}}
    )
