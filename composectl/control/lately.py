"""The snapshot as JSON, made once for all who show it over and over."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from composectl.balance.snapshot import Snapshot


class Lately:
    """Remembers the last one: making it is most of what it costs the loop to be watched."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._made = b""
        self._at = float("-inf")

    def json(self, age: float) -> bytes:
        """The JSON of a snapshot that is at most `age` seconds old, without a line end."""
        now = time.monotonic()
        if now - self._at >= age:
            self._made = json.dumps(self._snapshot().as_json(), separators=(",", ":")).encode()
            self._at = now
        return self._made
