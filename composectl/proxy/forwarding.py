"""What a backend is told of the client, and of the proxies on its way: the forwarding fields."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from composectl.proxy.head import FORWARDED, FORWARDED_AS_THEY_ARE, FORWARDED_HOST, Fields, sort_fields

_NOTHING: Final[Mapping[bytes, bytes]] = MappingProxyType({})


def forwarding_lines(client: str, scheme: str, name: str, trusted: Mapping[bytes, bytes] = _NOTHING) -> bytes:
    """The lines that tell a backend of the client, and of the proxy by its `name`; the last one lacks the host.

    `trusted` comes from `trusted_forwarded_fields`.
    """
    before = trusted.get(b"x-forwarded-for", b"")
    others = [
        b"%b: %b\r\n" % (FORWARDED_AS_THEY_ARE[name], value)
        for name, value in trusted.items()
        if name in FORWARDED_AS_THEY_ARE
    ]
    return b"".join(
        (
            b"Via: 1.1 %b\r\n" % name.encode(),
            *others,
            b"Forwarded: %b\r\n" % trusted[b"forwarded"] if b"forwarded" in trusted else b"",
            b"X-Forwarded-For: %b%b\r\n" % (before and before + b", ", client.encode()),
            b"X-Forwarded-Proto: %b\r\n" % trusted.get(b"x-forwarded-proto", scheme.encode()),
            FORWARDED_HOST,
        )
    )


def trusted_forwarded_fields(fields: Fields) -> dict[bytes, bytes]:
    """What a trusted proxy tells of its client (RFC 7239, and the older fields)."""
    return {name: value for name, value in sort_fields(fields, FORWARDED)[1].items() if name in FORWARDED}
