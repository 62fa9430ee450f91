"""The router of one listener: it directs each request to the upstreams of a service."""

from __future__ import annotations

from typing import Final

from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.head import RequestHead
from composectl.proxy.limits import host_of
from composectl.proxy.routes import Route, is_below, plain_path
from composectl.proxy.upstreams import Upstreams

_PREFIX: Final = b"\r\nX-Forwarded-Prefix: "


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


# Private


def _strip(head: RequestHead, prefix: bytes) -> None:
    """Raises BadMessage where the prefix is spelt in another way, as it is not known what the rest is."""
    rest = head.target[len(prefix) :]
    if not head.target.startswith(prefix) or rest[:1] not in (b"", b"/", b"?"):
        raise BadMessage(400, ErrorReason.BAD_TARGET)
    head.retarget(rest if rest.startswith(b"/") else b"/" + rest)
    if _PREFIX not in head.data:
        head.add(b"X-Forwarded-Prefix", prefix)
