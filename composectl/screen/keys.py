"""The keys of this terminal: what it sends, decoded, and read while this process is in its foreground."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from composectl.screen.terminal import in_foreground, key_settings

UP, DOWN, PAGE_UP, PAGE_DOWN, HOME, END = "up", "down", "page up", "page down", "home", "end"
ENTER, ESCAPE, BACKSPACE, CLEAR = "enter", "escape", "backspace", "clear"
_LONGEST = 64  # characters of a sequence; what is longer is none
_ESCAPE_SECONDS = 0.1  # after which an escape is the key alone; a slow line may send a sequence in two parts
_PIECE = 4096

# The function keys of the Linux console, CSI and SS3 sequences (ECMA-48, 5.4), and what Alt adds to a key
_SEQUENCE = r"\x1b(?:\[\[.|\[(?P<numbers>[0-?]*)[ -/]*(?P<csi>[@-~])|O(?P<ss3>[ -~])|[^\x1b\[O])"
_TOKEN = re.compile(rf"{_SEQUENCE}|(?P<key>.)", re.DOTALL)
_UNFINISHED = re.compile(r"\x1b(?:\[(?:\[|[0-?]*[ -/]*)|O)?\Z")
_BY_LETTER = {"A": UP, "B": DOWN, "H": HOME, "F": END}
_BY_NUMBER = {"1": HOME, "7": HOME, "4": END, "8": END, "5": PAGE_UP, "6": PAGE_DOWN}
_BY_CHARACTER = {"\r": ENTER, "\n": ENTER, "\x1b": ESCAPE, "\x7f": BACKSPACE, "\x08": BACKSPACE, "\x15": CLEAR}


class KeyDecoder:
    """Turns bytes into keys: a character that can be printed is itself, others have names; the rest is left out."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._unfinished = ""

    @property
    def is_waiting(self) -> bool:
        """Whether what came last may be the beginning of a key."""
        return bool(self._unfinished)

    def feed(self, data: bytes) -> list[str]:
        """The keys that are whole now."""
        text = self._unfinished + self._decoder.decode(data)
        found = _UNFINISHED.search(text)
        self._unfinished = text[found.start() :] if found and len(found[0]) <= _LONGEST else ""
        return list(_keys(text[: found.start()] if found else text))

    def flush(self) -> list[str]:
        """What has begun is not going to be finished: the escape key, where that is all."""
        unfinished, self._unfinished = self._unfinished, ""
        return [ESCAPE] if unfinished == "\x1b" else []


class KeyReader(Protocol):
    """What is told of the keys; before Ctrl-Z stops the process it is to `pause`."""

    def take_keys(self, settings: Sequence[int]) -> None:
        """Keys come from now on; `settings`: those of the terminal before, as `restore_settings` takes them."""

    def leave_keys(self) -> None:
        """None come until `take_keys` is called again."""

    def press(self, keys: Sequence[str]) -> None:
        """These keys came together."""

    async def pause(self) -> None: ...
    def resume(self) -> None: ...


class Keyboard:
    """Reads keys while this process is in the foreground of the terminal on stdin.

    Ctrl-C, Ctrl-Z and Ctrl-backslash still send their signals.
    """

    def __init__(self, reader: KeyReader) -> None:
        self._reader = reader
        self._decoder = KeyDecoder()
        self._descriptor = sys.stdin.fileno()
        self._before: list[Any] | None = None  # the terminal's settings, while it has others
        self._suspending: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """While entered, keys are read; in the end the terminal is as it was."""
        loop = asyncio.get_running_loop()
        before = signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # a read that is too late fails, and stops nothing
        catches_stop = signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN
        if catches_stop:
            loop.add_signal_handler(signal.SIGTSTP, self._stop_soon)
        loop.add_signal_handler(signal.SIGCONT, self.check)
        try:
            self.check()
            yield
        finally:
            self._release()
            if catches_stop:
                loop.remove_signal_handler(signal.SIGTSTP)
            loop.remove_signal_handler(signal.SIGCONT)
            signal.signal(signal.SIGTTIN, before)

    def check(self) -> None:
        """Take the terminal, or leave it: to be called now and then, as a shell says nothing of the foreground."""
        if not in_foreground():
            self._leave()
        elif self._before is None:
            self._take()

    # Private

    def _take(self) -> None:
        import termios

        with contextlib.suppress(termios.error, OSError):
            before = termios.tcgetattr(self._descriptor)
            characters = list(before[6])
            characters[termios.VMIN], characters[termios.VTIME] = 1, 0
            flags = before[3] & ~(termios.ECHO | termios.ICANON)
            settings = [*before[:3], flags, *before[4:6], characters]
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, settings)  # keys from before mean nothing
            self._before = before
            self._reader.take_keys(key_settings(before))
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def _leave(self) -> None:
        """Another program has the terminal, with settings of its own."""
        if self._before is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self._before = None
            self._reader.leave_keys()

    def _release(self) -> None:
        import termios

        before = self._before
        self._leave()
        if before is not None and in_foreground():
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, before)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _PIECE) if in_foreground() else b""
        except OSError:
            data = b""
        if not data:
            self._leave()
            return
        if self._timer is not None:
            self._timer.cancel()
        if keys := self._decoder.feed(data):
            self._reader.press(keys)
        if self._decoder.is_waiting:
            self._timer = asyncio.get_running_loop().call_later(_ESCAPE_SECONDS, self._flush)

    def _flush(self) -> None:
        if keys := self._decoder.flush():
            self._reader.press(keys)

    def _stop_soon(self) -> None:
        if self._suspending is None:
            self._suspending = asyncio.create_task(self._stop())

    async def _stop(self) -> None:
        """Give the terminal back, stop as Ctrl-Z does by default, and go on from here."""
        loop = asyncio.get_running_loop()
        await self._reader.pause()
        self._release()
        loop.remove_signal_handler(signal.SIGTSTP)
        os.kill(os.getpid(), signal.SIGTSTP)
        loop.add_signal_handler(signal.SIGTSTP, self._stop_soon)
        self._suspending = None
        self.check()
        self._reader.resume()


def has_keys() -> bool:
    """Whether there is a terminal on stdin whose keys can be read."""
    return sys.platform != "win32" and sys.stdin is not None and sys.stdin.isatty()


# Private


def _keys(text: str) -> Iterator[str]:
    for token in _TOKEN.finditer(text):
        if token["csi"] == "~":
            key = _BY_NUMBER.get(token["numbers"].partition(";")[0], "")
        elif letter := token["csi"] or token["ss3"]:
            key = _BY_LETTER.get(letter, "")
        else:
            character = token["key"] or ""
            key = _BY_CHARACTER.get(character, character if character.isprintable() else "")
        if key:
            yield key
