"""Shows what a daemon does: in its log, in the live table, or as lines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from composectl.control.paths import log_name
from composectl.daemon.background import ReadyNotifier
from composectl.daemon.daemon import Daemon
from composectl.sanitize import sanitize_lines
from composectl.screen.console import change_line, info, transition_line
from composectl.screen.live import is_live, show_table


class Console:
    """`notify_ready`: ends the wait of the terminal that started a background process; None in the foreground."""

    def __init__(self, daemon: Daemon, notify_ready: ReadyNotifier | None) -> None:
        self._daemon = daemon
        self._notify_ready = notify_ready
        self.is_background = notify_ready is not None
        self._stdout_is_log = daemon.access_log is not None and daemon.access_log.on_stdout
        self._draws = notify_ready is None and is_live() and not self._stdout_is_log

    def print_changes(self, heading: str = "") -> None:
        """In the foreground without a table: print `heading`, and a line for each change from now on."""
        if self._draws or self.is_background:
            return
        if heading:
            self._print(heading)
        label = self._daemon.orchestrator.label
        self._daemon.changes.subscribe(lambda change: self._print(f"{change_line(label(change), change)}\n"))

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """While entered, the log has each change, or the terminal shows the table."""
        daemon = self._daemon
        if self._notify_ready is not None:
            self._notify_ready(daemon.summary, log_name(daemon.lock.stem, daemon.orchestrator.directory))
            daemon.changes.subscribe(lambda change: info(transition_line(daemon.orchestrator.label(change), change)))
        if not self._draws:
            yield
            return
        over = asyncio.Event()
        table = asyncio.create_task(show_table(daemon.snapshots.json, over))
        try:
            yield
        finally:
            over.set()
            await table

    # Private

    def _print(self, text: str) -> None:
        if self._stdout_is_log:
            info(text.rstrip("\n"))
        else:
            sys.stdout.write(sanitize_lines(text))
            sys.stdout.flush()
