"""Carries out what keys ask for, beside the drawing and beside the loop: each request waits in a thread of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any, Protocol

from composectl.errors import ComposectlError

_KEPT_LINES = 1000  # of a log that the table does not take as fast
_LOG_INTERVAL = 0.1  # seconds
Send = Callable[[Mapping[str, Any]], bool]


class LogLine(Protocol):
    @property
    def service(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def after_gap(self) -> bool: ...


class LogFeed(Protocol):
    """The lines as they come; `close` ends them, also for a reader that waits in another thread."""

    def __iter__(self) -> Iterator[LogLine]: ...
    def close(self) -> None: ...


class Controls(Protocol):
    """What keys ask for, as requests of the control API; they yield progress, block, and raise ComposectlError."""

    def scale(self, service: str, count: int) -> Iterable[str]: ...
    def drain(self, service: str, number: int) -> Iterable[str]: ...
    def undrain(self, service: str, number: int) -> Iterable[str]: ...
    def rollout(self, service: str) -> Iterable[str]: ...
    def logs(self, service: str, number: int | None) -> LogFeed: ...


@dataclass(frozen=True, slots=True)
class Keys:
    """What the keys of a table do: `leave` is called by `q`, which `ends` composectl or not."""

    controls: Controls
    leave: Callable[[], None]
    ends: bool


class Actions:
    """`send` passes an object on to what draws, and is False where that cannot take more just now."""

    def __init__(self, keys: Keys, send: Send) -> None:
        self._keys = keys
        self._controls = keys.controls
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._scales: dict[str, int | None] = {}  # the services that are being scaled, and to what after that
        self._reader: _LogReader | None = None

    def run(self, kind: str, service: str, number: int | None, pane: int) -> None:
        """Carry a command out; what comes of it is sent."""
        count = number or 0
        match kind:
            case "scale":
                self._scale(service, count)
            case "drain":
                self._start(lambda: self._controls.drain(service, count))
            case "undrain":
                self._start(lambda: self._controls.undrain(service, count))
            case "rollout":
                self._start(lambda: self._controls.rollout(service))
            case "logs":
                self._show_logs(service, number, pane)
            case "hide logs":
                self.close()
            case "quit":
                self._keys.leave()

    def close(self) -> None:
        """Read no more logs; commands go on where they are carried out."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # Private

    def _scale(self, service: str, count: int) -> None:
        """One after the other; of those that wait, the newest alone."""
        if service in self._scales:
            self._scales[service] = count
            return
        self._scales[service] = None

        def after() -> None:
            following = self._scales.pop(service)
            if following is None:
                self._tell("", scaled_service=service)
            else:
                self._scale(service, following)

        self._start(lambda: self._controls.scale(service, count), after)

    def _start(self, ask: Callable[[], Iterable[str]], after: Callable[[], None] = lambda: None) -> None:
        def work() -> None:
            try:
                for line in ask():
                    self._soon(partial(self._tell, line))
            except ComposectlError as error:
                text = f"{error.message} ({error.hint})" if error.hint else error.message
                self._soon(partial(self._tell, text, is_error=True))
            finally:
                self._soon(after)

        Thread(target=work, name="composectl key", daemon=True).start()

    def _tell(self, text: str, *, is_error: bool = False, scaled_service: str = "") -> None:
        self._send({"does": "tell", "text": text, "is_error": is_error, "scaled_service": scaled_service})

    def _show_logs(self, service: str, number: int | None, pane: int) -> None:
        self.close()
        reader = self._reader = _LogReader(pane, self._send)

        def work() -> None:
            try:
                feed = self._controls.logs(service, number)
                if reader.opened(feed):
                    for line in feed:
                        self._soon(partial(reader.add, line))
            except ComposectlError as error:
                if not reader.is_closed:
                    self._soon(partial(self._tell, error.message, is_error=True))

        Thread(target=work, name="composectl logs", daemon=True).start()

    def _soon(self, call: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(call)


# Private


class _LogReader:
    """Gathers the lines of a log for a moment; where they are not taken, the oldest are left out."""

    def __init__(self, pane: int, send: Send) -> None:
        self._pane = pane
        self._send = send
        self._lines: deque[LogLine] = deque(maxlen=_KEPT_LINES)
        self._feed: LogFeed | None = None
        self._is_due = False
        self.is_closed = False

    def opened(self, feed: LogFeed) -> bool:
        """Whether it is still to be read."""
        self._feed = feed
        if self.is_closed:
            feed.close()
        return not self.is_closed

    def close(self) -> None:
        self.is_closed = True
        if self._feed is not None:
            self._feed.close()

    def add(self, line: LogLine) -> None:
        self._lines.append(line)
        if not self._is_due:
            self._flush_later()

    # Private

    def _flush_later(self) -> None:
        self._is_due = True
        asyncio.get_running_loop().call_later(_LOG_INTERVAL, self._flush)

    def _flush(self) -> None:
        self._is_due = False
        if self.is_closed:
            return
        lines = [
            {"source": f"{line.service}-{line.number}", "text": line.text, "after_gap": line.after_gap}
            for line in self._lines
        ]
        if self._send({"does": "log", "pane": self._pane, "lines": lines}):
            self._lines.clear()
        else:
            self._flush_later()
