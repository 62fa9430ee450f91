"""The ClientHello with which a TLS connection begins, read for the name of the server (RFC 8446, RFC 6066)."""

from __future__ import annotations

import re
from typing import Final

from composectl.proxy.errors import BadMessage, ErrorReason

MAX_HELLO: Final = 65_536
_RECORD_HEADER: Final = 5
_MAX_RECORD: Final = 16_384
_HANDSHAKE: Final = 0x16
_MAJOR_VERSION: Final = 3
_CLIENT_HELLO: Final = 1
_MESSAGE_HEADER: Final = 4
_RANDOM_END: Final = _MESSAGE_HEADER + 2 + 32
_SERVER_NAME: Final = 0  # the extension, and within it the type of a host's name
_NAME: Final = re.compile(rb"[A-Za-z0-9_.-]{1,255}")


class HelloReader:
    """Collects the first bytes of a connection until they hold a whole ClientHello.

    `received`: all of them, as they came. `server_name`: in lower case; "" where there is none, or no valid one.
    """

    __slots__ = ("_at", "_handshake", "received", "server_name")

    def __init__(self) -> None:
        self.received = bytearray()
        self.server_name = ""
        self._at = 0  # where the next record begins
        self._handshake = bytearray()

    def feed(self, data: bytes) -> bool:
        """Whether the ClientHello is whole now. Raises BadMessage where this is no TLS, or too much of it."""
        self.received += data
        while self._take_record():
            if self._is_whole():
                self.server_name = server_name(bytes(self._handshake))
                return True
        if len(self.received) > MAX_HELLO:
            raise BadMessage(400, ErrorReason.HEAD_TOO_LARGE)
        return False

    # Private

    def _take_record(self) -> bool:
        """Whether there is one more record: its part of the handshake is taken."""
        header = self.received[self._at : self._at + _RECORD_HEADER]
        if not is_start_of_tls(header):
            raise BadMessage(400, ErrorReason.NOT_TLS)
        if len(header) < _RECORD_HEADER:
            return False
        size = int.from_bytes(header[3:])
        if not 0 < size <= _MAX_RECORD:
            raise BadMessage(400, ErrorReason.NOT_TLS)
        begin, end = self._at + _RECORD_HEADER, self._at + _RECORD_HEADER + size
        if len(self.received) < end:
            return False
        self._handshake += self.received[begin:end]
        self._at = end
        return True

    def _is_whole(self) -> bool:
        if self._handshake[0] != _CLIENT_HELLO:
            raise BadMessage(400, ErrorReason.NOT_TLS)
        size = int.from_bytes(self._handshake[1:_MESSAGE_HEADER])
        if size > MAX_HELLO:
            raise BadMessage(400, ErrorReason.HEAD_TOO_LARGE)
        return len(self._handshake) >= _MESSAGE_HEADER + size


def is_start_of_tls(data: bytes | bytearray) -> bool:
    """Whether these may be the first bytes of a handshake record, as far as there are any."""
    return (not data or data[0] == _HANDSHAKE) and (len(data) < 2 or data[1] == _MAJOR_VERSION)


def server_name(hello: bytes) -> str:
    """The name in a ClientHello; "" where there is none, or where its parts do not fit into each other."""
    try:
        return _find_name(hello)
    except IndexError:
        return ""


# Private


def _find_name(hello: bytes) -> str:
    at = _RANDOM_END
    for size in (1, 2, 1):  # the session's id, the ciphers, the compression methods
        _, at = _vector(hello, at, size)
    extensions, _ = _vector(hello, at, 2)
    at = 0
    while at < len(extensions):
        kind = _number(extensions, at, 2)
        extension, at = _vector(extensions, at + 2, 2)
        if kind == _SERVER_NAME:
            return _first_name(extension)
    return ""


def _first_name(extension: bytes) -> str:
    names, _ = _vector(extension, 0, 2)
    kind = _number(names, 0, 1)
    name, _ = _vector(names, 1, 2)
    return name.decode().lower() if kind == _SERVER_NAME and _NAME.fullmatch(name) else ""


def _vector(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    """What stands behind a length of so many bytes, and where it ends. Raises IndexError."""
    begin = at + size
    end = begin + _number(data, at, size)
    if end > len(data):
        raise IndexError(end)
    return data[begin:end], end


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at : at + size])
