"""A connection that is encrypted: TLS between a transport and the protocol that reads what is decrypted (RFC 8446)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, cast

# All connections share these: each step empties both before another connection has its turn.
INCOMING: Final = ssl.MemoryBIO()
OUTGOING: Final = ssl.MemoryBIO()
_RECORD: Final = 16_384  # bytes of plain text at most (RFC 8446, section 5.1)
_NO_READER: Final = asyncio.Protocol()


class TlsTransport:
    """The protocol of `plain`, and the transport of what reads the plain text; `tls` has shaken hands.

    `held`: encrypted already, and sent with what is written next. `server_name`: what the client has called the server.
    """

    __slots__ = (
        "_closing",
        "_error",
        "_held",
        "_is_full",
        "_is_held_up",
        "_is_paused",
        "_peer_ended",
        "_plain",
        "_protocol",
        "_said_bye",
        "_tls",
        "server_name",
    )

    _protocol: asyncio.Protocol

    def __init__(self, plain: asyncio.Transport, tls: ssl.SSLObject, server_name: bytes, held: bytes) -> None:
        self.server_name = server_name
        self._plain = plain
        self._tls = tls
        self._held = held
        self._protocol = _NO_READER
        self._error: ssl.SSLError | None = None
        self._closing = self._peer_ended = self._said_bye = False
        self._is_full = False  # more waits to be sent than the plain transport's high water mark
        self._is_paused = self._is_held_up = False  # reading, by the protocol and by what waits

    # A transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data and not (self._closing or self._said_bye):
            self._encrypt(data)
            self._send()

    def writelines(self, pieces: Iterable[bytes]) -> None:
        if not (self._closing or self._said_bye):
            for piece in pieces:
                if piece:
                    self._encrypt(piece)
            self._send()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not (self._closing or self._said_bye):
            self._say_bye()
            self._plain.write_eof()

    def close(self) -> None:
        """End behind what was written. Whether the other side confirms that is not waited for: it has all by then."""
        if not self._closing:
            self._closing = True
            if not self._said_bye:
                self._say_bye()
            self._plain.close()

    def abort(self) -> None:
        self._closing = True
        self._plain.abort()

    def is_closing(self) -> bool:
        return self._closing or self._plain.is_closing()

    def pause_reading(self) -> None:
        self._is_paused = True
        self._plain.pause_reading()

    def resume_reading(self) -> None:
        self._is_paused = False
        if not self._is_held_up:
            self._plain.resume_reading()

    def is_reading(self) -> bool:
        return self._plain.is_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._plain.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._plain.get_write_buffer_size()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "ssl_object":
            return self._tls
        if name == "sslcontext":
            return self._tls.context
        if name == "server_name":
            return self.server_name
        if name == "plain_transport":
            return self._plain
        return self._plain.get_extra_info(name, default)

    # The plain transport's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        pass

    def data_received(self, data: bytes) -> None:
        """All that it holds is given on at once, so that nothing is left where the reader pauses."""
        if self._peer_ended:
            return
        INCOMING.write(data)
        pieces: list[bytes] = []
        try:
            while True:
                piece = self._tls.read(_RECORD)
                if not piece:
                    self._peer_ended = True
                    break
                pieces.append(piece)
                if not INCOMING.pending:
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._peer_ended = True
        except ssl.SSLError as error:
            self._error = error
        self._finish_read(pieces)

    def eof_received(self) -> bool:
        """Also where the other side has not said so by TLS before: HTTP itself tells where its messages end."""
        if not self._peer_ended:
            self._peer_ended = True
            self._tell_end()
        return True

    def pause_writing(self) -> None:
        self._is_full = True
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._is_full = False
        if self._is_held_up:
            self._is_held_up = False
            if not (self._is_paused or self._closing):
                self._plain.resume_reading()
        self._protocol.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        protocol, self._protocol = self._protocol, _NO_READER  # a circle would keep both
        protocol.connection_lost(error or self._error)

    # Private

    def _encrypt(self, data: bytes | bytearray | memoryview) -> None:
        written = self._tls.write(data)
        if written < len(data):  # OpenSSL may stop behind a record
            rest = memoryview(data)[written:]
            while rest:
                rest = rest[self._tls.write(rest) :]

    def _send(self) -> None:
        data = OUTGOING.read()
        if self._held:
            data, self._held = self._held + data, b""
        self._plain.write(data)

    def _say_bye(self) -> None:
        """Close_notify (RFC 8446, section 6.1)."""
        self._said_bye = True
        with suppress(ssl.SSLError):  # the other side has not said it yet
            self._tls.unwrap()
        self._send()

    def _finish_read(self, pieces: list[bytes]) -> None:
        if INCOMING.pending:
            INCOMING.read()
        if OUTGOING.pending:  # an alert, or a key that is new
            self._send()
            if self._is_full:  # a client that reads nothing could ask for new keys without end
                self._is_held_up = True
                self._plain.pause_reading()
        if pieces and not self._closing:
            self._protocol.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._error is not None:
            self._closing = True
            self._plain.close()
        elif self._peer_ended:
            self._tell_end()

    def _tell_end(self) -> None:
        if not (self._closing or self._protocol.eof_received()):
            self.close()
