"""A headless chromium for tests, driven over its debugging pipe: nothing but the standard library, no port, no driver."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    *("--disable-extensions", "--disable-default-apps", "--remote-debugging-pipe"),
)
# chromium reads commands on descriptor 3 and answers on 4; what the parent has there must be moved out of the way first
LAUNCH = """
import os, sys
read, write = os.dup(int(sys.argv[1])), os.dup(int(sys.argv[2]))
while read < 5: read = os.dup(read)
while write < 5: write = os.dup(write)
os.dup2(read, 3); os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
CONSOLE = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}


def find() -> str | None:
    """Return the path of a browser, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One browser process with one page at a time; a context manager."""

    def __init__(self, executable: str, profile: Path) -> None:
        read_commands, self._write = os.pipe()
        self._read, write_answers = os.pipe()
        ends = (read_commands, write_answers)
        command = [sys.executable, "-c", LAUNCH, *map(str, ends), executable, *FLAGS, f"--user-data-dir={profile}"]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, pass_fds=ends, stdout=quiet, stderr=quiet, stdin=quiet)
        for end in ends:
            os.close(end)
        self._rest, self._last, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            self.send("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._last += 1
        command = {"id": self._last, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._write, json.dumps(command).encode() + b"\0")
        answer = self._until(lambda message: message.get("id") == self._last)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, page: Path, *, width: int, height: int = 900, scheme: str = "light", media: str = "") -> None:
        """Open a page from disk in a new tab, at a width in CSS pixels and in a colour scheme."""
        self._session = ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session, self.events = session, []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.send(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        self.send("Page.navigate", url=page.absolute().as_uri())
        if not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["text"])
        return result["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = True) -> bytes:
        """Write a PNG of the page and return it."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path.read_bytes()

    def print(self, path: Path) -> bytes:
        """Write the page as A4 PDF and return it."""
        pdf = self.send(
            "Page.printToPDF", printBackground=False, paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True
        )
        path.write_bytes(base64.b64decode(pdf["data"]))
        return path.read_bytes()

    def requests(self) -> list[str]:
        """Return the addresses that the page asked for, itself first."""
        found = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in found]

    def complaints(self) -> list[dict[str, Any]]:
        """Return errors and whatever else the page wrote to the console."""
        return [event for event in self.events if event["method"] in CONSOLE]

    def _until(self, wanted: Any, seconds: float = 60) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while True:
            while b"\0" in self._rest:
                raw, self._rest = self._rest.split(b"\0", 1)
                message: dict[str, Any] = json.loads(raw)
                if "method" in message and message.get("sessionId", "") == self._session:
                    self.events.append(message)
                if wanted(message):
                    return message
            if not select.select([self._read], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError(f"chromium did not answer within {seconds:g} s")
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise EOFError("chromium closed its pipe")
            self._rest += chunk
