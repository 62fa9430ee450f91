"""Routes: which of the services that share a listener gets a request, by its host and its path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

_ODD: Final = re.compile(rb"[%;\\]|//|/\.")


@dataclass(frozen=True, slots=True)
class Route:
    """`host`: in lower case and without a port; `*.` stands for one label, and empty is for any.

    `path`: its first segments, without `/` at their end; empty for any. `strips`: the backend gets the rest alone.
    """

    host: bytes = b""
    path: bytes = b""
    strips: bool = False

    @property
    def key(self) -> tuple[bytes, bytes]:
        """What no other route of the listener may have."""
        return self.host, self.path

    def __str__(self) -> str:
        return (self.host + (self.path or b"/" * (not self.host))).decode()


def is_below(path: bytes, prefix: bytes) -> bool:
    """Whether these are the first segments of the path."""
    return path.startswith(prefix) and (len(path) == len(prefix) or not prefix or path[len(prefix)] == 0x2F)


def plain_path(target: bytes) -> bytes:
    """The path as most backends read it: decoded, without parameters, empty segments and dots.

    So that no spelling of a path leads to another service than the one whose path it is.
    """
    path = target.partition(b"?")[0]
    return path if _ODD.search(path) is None else _resolved(path)


# Private


@lru_cache(1024)
def _resolved(path: bytes) -> bytes:
    kept: list[bytes] = []
    for segment in unquote_to_bytes(path).replace(b"\\", b"/").split(b"/"):
        name = segment.partition(b";")[0]
        if name == b"..":
            del kept[-1:]
        elif name not in (b"", b"."):
            kept.append(name)
    return b"/" + b"/".join(kept)
