"""A real headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.support.wait import wait_until

PATIENCE = 30.0
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    *("--remote-debugging-port=0", "about:blank"),
)


class Chromium:
    """One browser with a profile of its own, until `close`; `person`: the home directory."""

    def __init__(self, person: Path | None = None) -> None:
        path = shutil.which("chromium")
        assert path, "chromium is missing: scripts/external installs it"
        self._home = Path(tempfile.mkdtemp(prefix="chromium-"))
        command = [path, f"--user-data-dir={self._home}", *_OPTIONS]
        # It leaves the folder of its socket behind among the temporary files.
        environ = os.environ | {"TMPDIR": str(self._home)}
        if person is not None:
            environ |= {"HOME": str(person)}
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ)
        file = self._home / "DevToolsActivePort"
        assert wait_until(lambda: file.exists() and len(file.read_text().splitlines()) == 2), "chromium does not start"
        port, path = file.read_text().splitlines()
        self._place = f"ws://127.0.0.1:{port}"
        self._browser = Session(f"{self._place}{path}")
        self._pages: list[Page] = []

    def page(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        """A tab of its own, with nothing kept from another one."""
        context = self._browser.call("Target.createBrowserContext")["browserContextId"]
        asked = {"url": "about:blank", "browserContextId": context}
        target = self._browser.call("Target.createTarget", **asked)["targetId"]
        self._pages.append(Page(f"{self._place}/devtools/page/{target}", width, height, dark))
        return self._pages[-1]

    def leave(self) -> tuple[list[str], list[str]]:
        """Close the pages; what they complained of, and what they asked elsewhere."""
        complaints = [complaint for page in self._pages for complaint in page.complaints]
        strangers = [url for page in self._pages for url in page.requests if not url.startswith(page.origin)]
        for page in self._pages:
            page.call("Page.close")
            page.close()
        self._pages.clear()
        return complaints, strangers

    def close(self) -> None:
        self._browser.close()
        self._process.terminate()
        self._process.wait(PATIENCE)
        assert wait_until(self._is_removed), f"processes of chromium still write to {self._home}"

    # Private

    def _is_removed(self) -> bool:
        """Its helpers end a moment after it, and write to the profile until then."""
        shutil.rmtree(self._home, ignore_errors=True)
        return not self._home.exists()


class Session:
    """Calls, and the events that came meanwhile."""

    def __init__(self, url: str) -> None:
        self._open = ExitStack()
        self._socket = self._open.enter_context(connect(url, max_size=None, max_queue=None, ping_interval=None))
        self._numbers = count(1)
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(PATIENCE))
            if message.get("id") != number:
                self.events.append(message)
                continue
            assert "error" not in message, (method, message)
            result: dict[str, Any] = message["result"]
            return result

    def close(self) -> None:
        self._open.close()


class Page(Session):
    """One tab, and what it has complained of and asked for since it was opened."""

    def __init__(self, url: str, width: int, height: int, dark: bool) -> None:
        super().__init__(url)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.origin = ""
        self._forgiven: tuple[str, ...] = ("net::ERR_NETWORK_CHANGED",)  # Docker's come and go on this machine
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    # What a person does

    def visit(self, url: str) -> None:
        self.origin = url.partition("#")[0]
        self.call("Page.navigate", url=url)

    def press(self, key: str, *, shift: bool = False) -> None:
        """One key of the keyboard, down and up."""
        text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
        code = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}.get(key, ord(key[0]))
        event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    # What there is to see

    def value(self, expression: str) -> Any:
        """What JavaScript makes of it."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self, selector: str = "body") -> str:
        """The text that is shown of the first such element; empty where there is none."""
        return str(self.value(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def texts(self, selector: str) -> list[str]:
        """The texts of all such elements."""
        found = self.value(f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.innerText.trim())")
        assert isinstance(found, list)
        return found

    def comes_to(self, expression: str, *, within: float = PATIENCE) -> bool:
        """Whether it becomes true; what it looks at need not be there yet."""
        patient = f"(() => {{ try {{ return {expression} }} catch {{ return false }} }})()"
        return bool(wait_until(lambda: self.value(patient), within=within))

    def picture(self, *, whole: bool = True) -> bytes:
        """A screenshot as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def forgive(self, *words: str) -> None:
        """What has these words is no complaint."""
        self._forgiven += words

    @property
    def complaints(self) -> list[str]:
        """What stands in the console: errors and warnings, and exceptions that were not caught."""
        self.value("1")
        logged = [event["params"]["entry"] for event in self.events if event["method"] == "Log.entryAdded"]
        thrown = [event["params"] for event in self.events if event["method"] == "Runtime.exceptionThrown"]
        said = [event["params"] for event in self.events if event["method"] == "Runtime.consoleAPICalled"]
        complaints = [f"{entry['text']} {entry.get('url', '')}" for entry in logged]
        complaints += map(str, (*thrown, *said))
        return [complaint for complaint in complaints if not any(words in complaint for words in self._forgiven)]

    @property
    def requests(self) -> list[str]:
        """The URLs that were asked for."""
        self.value("1")
        sent = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [request["request"]["url"] for request in sent]
