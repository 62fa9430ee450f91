"""Routes: which of the services that share a listener gets a request, by its host and its path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.head import RequestHead
from composectl.proxy.limits import host_of
from composectl.proxy.upstreams import Upstreams

_ODD: Final = re.compile(rb"[%;\\]|//|/\.")
_PREFIX: Final = b"\r\nX-Forwarded-Prefix: "


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


class Router:
    """The routes of one listener: the most exact host wins, and then the longest path."""

    __slots__ = ("_by_host", "upstreams")

    def __init__(self) -> None:
        self.upstreams: list[Upstreams] = []
        self._by_host: dict[bytes, list[tuple[Route, Upstreams]]] = {}

    def add(self, route: Route, upstreams: Upstreams) -> None:
        if upstreams not in self.upstreams:
            self.upstreams.append(upstreams)
        routes = self._by_host.setdefault(route.host, [])
        routes.append((route, upstreams))
        routes.sort(key=lambda entry: -len(entry[0].path))

    def direct(self, head: RequestHead, server_name: bytes = b"") -> Upstreams:
        """The upstreams of this request, whose target may become a shorter one. Raises BadMessage.

        `server_name`: what the client has named by TLS. Where nothing is found for another host, it may ask again on a
        connection for that one (RFC 9110, section 15.5.20).
        """
        host, path = host_of(head), plain_path(head.target)
        for name in (host, b"*." + host.partition(b".")[2], b""):
            for route, upstreams in self._by_host.get(name, ()):
                if is_below(path, route.path):
                    if route.strips and route.path:
                        _strip(head, route.path)
                    return upstreams
        if server_name not in (b"", host):
            raise BadMessage(421, ErrorReason.MISDIRECTED)
        raise BadMessage(404, ErrorReason.NO_ROUTE)


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


def _strip(head: RequestHead, prefix: bytes) -> None:
    """Raises BadMessage where the prefix is spelt in another way, as it is not known what the rest is."""
    rest = head.target[len(prefix) :]
    if not head.target.startswith(prefix) or rest[:1] not in (b"", b"/", b"?"):
        raise BadMessage(400, ErrorReason.BAD_TARGET)
    head.retarget(rest if rest.startswith(b"/") else b"/" + rest)
    if _PREFIX not in head.data:
        head.add(b"X-Forwarded-Prefix", prefix)
