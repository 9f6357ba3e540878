"""A browser driven over its own protocol (CDP), with nothing installed but chromium and websockets."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60.0  # seconds


class Page:
    """One tab."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.number = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        self.connection.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.connection.recv(timeout=PATIENCE))
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, promises awaited."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, path: Path, query: str = "") -> None:
        self.call("Page.navigate", url=f"{path.resolve().as_uri()}{query}")
        self.wait("document.readyState === 'complete'")

    def wait(self, condition: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.run(condition):
            assert time.monotonic() < end, (
                f"waited in vain for {condition}: {self.run('document.body.innerText')}"
            )
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """Where the mouse would click; what cannot be clicked fails."""
        found = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView(); "
            "const r = e.getBoundingClientRect(); return {x: r.x + r.width / 2, y: r.y + r.height / 2}; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **found)


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Skips the test where there is no chromium; `folder` takes its profile and downloads."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium")
    client = pytest.importorskip("websockets.sync.client")
    profile = folder / "profile"
    process = subprocess.Popen(
        [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run",
         "--disable-extensions", f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with client.connect(_address(profile), proxy=None, max_size=None) as connection:
            page = Page(connection)
            page.call("Page.enable")
            page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
            yield page
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def _address(profile: Path) -> str:
    end = time.monotonic() + PATIENCE
    ports = profile / "DevToolsActivePort"
    while not ports.is_file() or "\n" not in ports.read_text():
        assert time.monotonic() < end, "chromium does not start"
        time.sleep(0.1)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{ports.read_text().splitlines()[0]}/json") as answer:
        return next(tab["webSocketDebuggerUrl"] for tab in json.load(answer) if tab["type"] == "page")
