"""The rest of a body whose length is known: the kernel moves it from one connection to the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from composectl.proxy.splice import Splice

WORTH: Final = 256 * 1024  # bytes; of less, a splice costs more than it saves (bench/splice_threshold.py)
_UNREAD_SECONDS: Final = 300


class BodySplice:
    """Moves `left` bytes from `source` to `target`, once it is told to `start`: that `target` has nothing to write.

    `ended`: as that of `Splice`; `stop` is for the caller. `is_moving`: it has started.
    """

    __slots__ = ("_ended", "_idle_seconds", "_left", "_progress", "_source", "_splice", "target")

    def __init__(
        self,
        source: asyncio.Transport,
        target: asyncio.Transport,
        left: int,
        ended: Callable[[OSError | None, bool], None],
    ) -> None:
        self.target = target
        self._source = source
        self._left = left
        self._ended = ended
        self._splice: Splice | None = None
        self._progress = self._idle_seconds = 0
        target.set_write_buffer_limits(high=0)  # `resume_writing` then tells that all is written

    def start(self) -> bool:
        """False where no descriptor is left for it, and all goes on through this process; then it is to be stopped."""
        try:
            splice = self._splice = Splice(self._source, self.target, self._ended, self._left)
            splice.start()
        except OSError:
            return False
        return True

    def stop(self) -> int:
        """Let go of both connections; returns how many bytes were moved."""
        splice, self._splice = self._splice, None
        rest = splice.stop() if splice is not None else b""
        if not self.target.is_closing():
            self.target.set_write_buffer_limits()
            if rest:
                self.target.write(rest)
        return splice.moved if splice is not None else 0

    @property
    def is_moving(self) -> bool:
        return self._splice is not None

    @property
    def waits_for_target(self) -> bool:
        return self._splice is not None and self._splice.waits_for_target

    def progress(self) -> int:
        """See `Splice.progress`."""
        return self._splice.progress() if self._splice is not None else 0

    def sweep(self) -> bool:
        """A second has passed: whether the source was silent in it. A target that takes nothing for long is ended."""
        progress = self.progress()
        self._idle_seconds = self._idle_seconds + 1 if progress == self._progress else 0
        self._progress = progress
        if not self.waits_for_target:
            return self._idle_seconds > 0
        if self._idle_seconds > _UNREAD_SECONDS:
            self.target.abort()
        return False
