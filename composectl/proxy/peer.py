"""What backends are told of a client: which of its own forwarding fields count."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from composectl.proxy.client_address import forwarded_client
from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.forwarding import forwarding_lines, trusted_forwarded_fields
from composectl.proxy.head import Fields
from composectl.proxy.limits import LOOPBACK, is_within
from composectl.proxy.listener_context import ListenerContext

_SHORTEST: Final = len(b"Forwarded")
_FIRST_LETTERS: Final = b"FXfx"
_MAX_DIGITS: Final = 9
_FORWARDED_FOR: Final = b"x-forwarded-for"


class Peer:
    """The client of one connection; `forwarding` are the lines for each of its requests.

    `is_read`: its own fields may count, and `read` tells the lines for each request.
    """

    __slots__ = ("_address", "_context", "_is_trusted", "_scheme", "forwarding", "is_read")

    def __init__(self, context: ListenerContext, address: str, scheme: str) -> None:
        self._context = context
        self._address = address
        self._scheme = scheme
        self._is_trusted = context.is_trusted_proxy(address)
        self.forwarding = _lines(address, scheme, context.name)
        self.is_read = self._is_trusted or context.is_suspected_proxy(address)

    def read(self, fields: Fields) -> tuple[bytes, bytes]:
        """The lines for a request with these fields, and the host that a trusted proxy names; "" where it does not."""
        forwarded = trusted_forwarded_fields(fields) if _may_be_forwarded(fields) else None
        if self._is_trusted and forwarded:
            lines = forwarding_lines(self._address, self._scheme, self._context.name, forwarded)
            return lines, forwarded.get(b"x-forwarded-host", b"")
        self.is_read = self._is_trusted  # an unknown proxy sends them with each request, hence with the first
        if forwarded:
            self._context.dropped_forwarding(self._address)
        return self.forwarding, b""

    def client_of(self, fields: Fields) -> str:
        """The address of the client that sent a request with these fields, as far as trusted proxies tell it."""
        if not self._is_trusted:
            return self._address
        told = [value for name, value in fields if len(name) == 15 and name.lower() == _FORWARDED_FOR]
        return forwarded_client(b",".join(told), self._address, self._context.is_trusted_proxy)

    def allowed_pin(self, pin: bytes, fields: Fields) -> bytes:
        """The replica that the client wants for its request; empty where none is looked at. Raises BadMessage.

        A proxy in front forwards the fields of any client: nothing must show that it does so here.
        """
        if not self._context.limits.allow_pin:
            return b""
        names = {name.lower() for name, _ in fields}
        networks = (*LOOPBACK, *self._context.limits.trusted_proxies)
        if b"via" in names or trusted_forwarded_fields(fields) or not is_within(self._address, networks):
            raise BadMessage(403, ErrorReason.PIN_REFUSED)
        if not pin.isdigit() or len(pin) > _MAX_DIGITS:
            raise BadMessage(400, ErrorReason.BAD_PIN)
        return pin


# Private


@lru_cache(1024)
def _lines(client: str, scheme: str, name: str) -> bytes:
    return forwarding_lines(client, scheme, name)


def _may_be_forwarded(fields: Fields) -> bool:
    """Whether a name may be that of a forwarding field, by its length and its first letter."""
    for name, _ in fields:  # noqa: SIM110 - compiled, a loop costs less than a generator
        if len(name) >= _SHORTEST and name[0] in _FIRST_LETTERS:
            return True
    return False
