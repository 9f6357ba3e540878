"""A small hub on loopback: it lists, serves, redirects, continues, refuses and breaks off as the real one does."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_open_sesame"
LARGE = 1000  # bytes from which a file is kept apart, with a SHA-256, and served from another host


@dataclass
class Repo:
    """What a repository holds."""

    files: dict[str, bytes]
    licence: str | None = "mit"
    gated: bool = False


@dataclass
class Hub:
    """What it has, how it will misbehave, and what it has seen."""

    repos: dict[str, Repo]
    port: int = 0
    cut: dict[str, int] = field(default_factory=dict)  # file -> bytes after which the connection breaks, once
    stall: dict[str, int] = field(
        default_factory=dict
    )  # file -> bytes after which nothing comes for a while, once
    stalled: threading.Event = field(default_factory=threading.Event)
    down_after_cut: bool = False
    down: bool = False
    continues: bool = True  # honours Range
    lies: dict[str, bytes] = field(default_factory=dict)  # file -> what is sent instead
    sent: Counter[str] = field(default_factory=Counter)  # file -> bytes of it that were sent
    requests: list[str] = field(default_factory=list)
    tokens_elsewhere: list[str] = field(default_factory=list)  # that were given to the other host

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    handler = type("Bound", (Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


def believed(hub: Hub, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Hub:
    """The library takes it for the hub, and has an empty cache in `folder`."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return hub


class Handler(BaseHTTPRequestHandler):
    """/api/models/... lists; /owner/name/resolve/... gives small files; /elsewhere/... gives large ones."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""

    def do_HEAD(self) -> None:  # noqa: N802
        self.answer(body=False)

    def do_GET(self) -> None:  # noqa: N802
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.down:
            self.refuse(503)
        elif path.startswith("/api/models/"):
            self.list_files(*path.removeprefix("/api/models/").split("/revision/"))
        elif path.startswith("/elsewhere/"):
            self.tell_token()
            repo, _, name = path.removeprefix("/elsewhere/").partition("//")
            self.serve(name, self.hub.repos[repo].files[name], body=body)
        elif "/resolve/" in path:
            repo, _, rest = path.removeprefix("/").partition("/resolve/")
            self.give(repo, *rest.split("/", 1), body=body)
        else:
            self.refuse(404)

    def list_files(self, repo: str, revision: str = "main") -> None:
        if repo not in self.hub.repos:
            self.refuse(401, "RepoNotFound")
        elif revision not in ("main", COMMIT):
            self.refuse(404, "RevisionNotFound")
        else:
            held = self.hub.repos[repo]
            info: dict[str, Any] = {"id": repo, "sha": COMMIT, "gated": "manual" if held.gated else False}
            info["siblings"] = [sibling(name, content) for name, content in held.files.items()]
            info["cardData"] = {"license": held.licence} if held.licence else {}
            self.reply(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def give(self, repo: str, revision: str, name: str, *, body: bool) -> None:
        held = self.hub.repos.get(repo)
        if held is None:
            self.refuse(401, "RepoNotFound")
        elif held.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refuse(401, "GatedRepo")
        elif name not in held.files:
            self.refuse(404, "EntryNotFound")
        elif len(held.files[name]) >= LARGE:
            content = held.files[name]
            self.reply(
                302,
                b"",
                {
                    "Location": f"http://localhost:{self.hub.port}/elsewhere/{repo}//{name}",
                    "X-Repo-Commit": COMMIT,
                    "X-Linked-Size": str(len(content)),
                    "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                },
            )
        else:
            self.serve(name, held.files[name], body=body)

    def serve(self, name: str, content: bytes, *, body: bool) -> None:
        headers = {"ETag": f'"{blob_id(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        content = self.hub.lies.get(name, content)
        start, status, asked = 0, 200, self.headers.get("Range")
        if asked and self.hub.continues:
            start, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        rest = content[start:]
        if not body:
            self.reply(status, b"", headers | {"Content-Length": str(len(rest))})
            return
        stop = self.hub.cut.pop(name, None)
        pause = self.hub.stall.pop(name, None)
        if pause is not None:
            stop = pause
        shown = rest if stop is None else rest[:stop]
        self.hub.sent[name] += len(shown)
        self.reply(status, shown, headers | {"Content-Length": str(len(rest))})
        if pause is not None:
            self.hub.stalled.set()
            self.rfile.read(1)  # until the client goes away
        if stop is not None:
            self.hub.down = self.hub.down_after_cut
            self.close_connection = True

    def tell_token(self) -> None:
        if "Authorization" in self.headers:
            self.hub.tokens_elsewhere.append(self.headers["Authorization"])

    def refuse(self, status: int, code: str = "") -> None:
        body = json.dumps({"error": "not for you"}).encode()
        self.reply(status, b"" if self.command == "HEAD" else body, {"X-Error-Code": code} if code else {})

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def sibling(name: str, content: bytes) -> dict[str, Any]:
    """A file as the hub lists it."""
    listed: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob_id(content)}
    if len(content) >= LARGE:
        digest = hashlib.sha256(content).hexdigest()
        listed["lfs"] = {"size": len(content), "sha256": digest, "pointerSize": 134}
    return listed


def blob_id(content: bytes) -> str:
    """As git names it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
