"""The records of the access log, and how each becomes one line, whatever its bytes are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from time import monotonic_ns, time_ns
from typing import Final

from composectl.balance.backend import Replica, join_address
from composectl.proxy.protocol import BY_CONNECTION
from composectl.proxy.request_id import is_valid_request_id

USER_AGENT: Final = b"user-agent"
REFERER: Final = b"referer"
COMBINED: Final = "combined"
JSON: Final = "json"
_UNSAFE: Final = re.compile(rb"[^ !#-\[\]-~]")  # nor `"` and `\`
_NOTHING: Final = "-"
_IN_BRACKETS: Final = "%d/%b/%Y:%H:%M:%S +0000"
_ISO: Final = "%Y-%m-%dT%H:%M:%S"
_BEFORE_ID: Final = len(b"X-Request-ID: ")
_CLIENT_CLOSED: Final = 499  # as nginx has it
_PROTOCOLS: Final = {"1.1": "http/1.1", "1.0": "http/1.0", "2.0": "h2"}


@dataclass(frozen=True, slots=True)
class LineStyle:
    """`format` is a name of `FORMATS`. Nothing that may be a secret is written unless it was asked for.

    `query`: the target with what follows its path; `headers`: what else of a request, by names in lower case.
    """

    format: str = COMBINED
    query: bool = False
    headers: tuple[bytes, ...] = field(default=())

    def line(self, record: AccessRecord) -> str:
        """The line of a request that has ended."""
        return line_of(record, self, time_ns() - monotonic_ns())


def line_of(record: AccessRecord, style: LineStyle, offset: int) -> str:
    """One line, in ASCII and with its end; `offset` are the nanoseconds from the monotonic clock to the epoch."""
    return FORMATS[style.format](record, style, (record.started + offset) // 1_000_000)


def _combined(record: AccessRecord, style: LineStyle, milliseconds: int) -> str:
    request = _NOTHING
    if record.method:
        target = _escaped(_shown_target(record.target, style))
        request = f"{_escaped(record.method)} {target} HTTP/{record.version}"
    elif record.version in BY_CONNECTION:
        request = f"{record.version.upper()} {record.server_name}".rstrip()
    referer, agent = (_escaped(record.headers.get(name, b"-")) for name in (REFERER, USER_AGENT))
    upstream = _address(record.replica, record.port) if record.replica is not None else _NOTHING
    return (
        f'{record.client} - - [{_time(milliseconds // 1000, _IN_BRACKETS)}] "{request}" {record.status} {record.sent}'
        f' "{referer}" "{agent}" {upstream} {(record.ended - record.started) / 1e9:.6f} {_retries(record)}'
        f" {_request_id(record).decode('ascii') or _NOTHING}\n"
    )


def _json(record: AccessRecord, style: LineStyle, milliseconds: int) -> str:
    path, _, query = _shown_target(record.target, style).partition(b"?")
    queried = f', "query": {_text(query)}' if style.query else ""
    name = address = "null"
    if record.replica is not None:
        name, address = quoted(record.replica.name), quoted(_address(record.replica, record.port))
    error = quoted(record.error) if record.error else "null"
    queued = f"{record.queued_ns / 1e6:.3f}" if record.queued_ns else "0.000"
    valid_id, headers = _request_id(record), ""
    request_id = f'"{valid_id.decode("ascii")}"' if valid_id else "null"
    if style.headers:
        values = (f"{quoted(name.decode())}: {_text(record.headers.get(name, b''))}" for name in style.headers)
        headers = f', "headers": {{{", ".join(values)}}}'
    name_of_server = f', "server_name": {quoted(record.server_name)}' if record.server_name else ""
    protocol = _PROTOCOLS.get(record.version, record.version)
    http = "null" if record.version in BY_CONNECTION else f'"{record.version}"'
    return (
        f'{{"time": "{_time(milliseconds // 1000, _ISO)}.{milliseconds % 1000:03d}+00:00",'
        f' "client": {quoted(record.client)}, "service": {quoted(record.service)},'
        f' "method": {_text(record.method)}, "path": {_text(path)}{queried},'
        f' "http": {http}, "protocol": "{protocol}"{name_of_server}, "status": {record.status}, "error": {error},'
        f' "backend": {name}, "address": {address}, "retries": {_retries(record)},'
        f' "duration_ms": {(record.ended - record.started) / 1e6:.3f}, "queued_ms": {queued},'
        f' "received": {record.received}, "sent": {record.sent}, "request_id": {request_id}{headers}}}\n'
    )


FORMATS: Final[dict[str, Callable[[AccessRecord, LineStyle, int], str]]] = {COMBINED: _combined, JSON: _json}


class AccessRecord:
    """Written on while its request is on its way; moments and `queued_ns` are nanoseconds of the monotonic clock.

    `method` and `target` are empty where they could not be read; `version` is that of HTTP, or the protocol of a record
    that is of a connection as a whole. `server_name`: what its client asked for by TLS. `id_line`: the line with the
    `X-Request-ID`; `headers` has those that were asked for, by their names in lower case. `replica` is the one asked
    last, by its port `port`, for the last of `attempts`; `received` and `sent` are the bytes of the bodies. `status` is
    what the client got; `error` tells why that is not the backend's answer, or not the whole of it, else it is empty.
    """

    __slots__ = (
        "_queued_since",
        "attempts",
        "client",
        "ended",
        "error",
        "headers",
        "id_line",
        "method",
        "port",
        "queued_ns",
        "received",
        "replica",
        "sent",
        "server_name",
        "service",
        "started",
        "status",
        "target",
        "version",
    )

    def __init__(
        self,
        service: str,
        port: int | None,
        client: str,
        method: bytes,
        target: bytes,
        version: str,
        id_line: bytes,
        headers: Mapping[bytes, bytes],
    ) -> None:
        self.service = service
        self.port = port
        self.client = client
        self.method = method
        self.target = target
        self.version = version
        self.id_line = id_line
        self.headers = headers
        self.started = self.ended = monotonic_ns()
        self.queued_ns = self._queued_since = 0
        self.replica: Replica | None = None
        self.attempts = 0
        self.received = 0
        self.sent = 0
        self.status = 0
        self.error = ""
        self.server_name = ""

    def start(self) -> None:
        """It is its turn, after earlier requests of its client."""
        self.started = monotonic_ns()

    def attempt(self, replica: Replica) -> None:
        """It is sent to this replica."""
        self.replica = replica
        self.attempts += 1

    def enqueued(self) -> None:
        """It is queued."""
        self._queued_since = monotonic_ns()

    def dequeued(self) -> None:
        """It is queued no longer."""
        if self._queued_since:
            self.queued_ns += monotonic_ns() - self._queued_since
            self._queued_since = 0

    def end(self, status: int, error: str) -> None:
        """It has ended so; without a `status`, with the one that was sent on already, or because its client left."""
        self.dequeued()
        self.ended = monotonic_ns()
        self.status = status or self.status or _CLIENT_CLOSED
        self.error = error


# Private


def _shown_target(target: bytes, style: LineStyle) -> bytes:
    """As much of the target as may be shown; what is no path may hold a password."""
    if style.query:
        return target
    path = target.partition(b"?")[0].partition(b"#")[0]
    return path if path.startswith(b"/") or b"@" not in path else b""


def _retries(record: AccessRecord) -> int:
    return max(0, record.attempts - 1)


def _request_id(record: AccessRecord) -> bytes:
    """A value that is not valid is left out."""
    value = record.id_line[_BEFORE_ID:-2]
    return value if value.isalnum() or is_valid_request_id(value) else b""


@lru_cache(256)
def _escaped(text: bytes) -> str:
    """As nginx escapes: `\\x22` for a quote."""
    return _UNSAFE.sub(lambda unsafe: b"\\x%02X" % unsafe[0][0], text).decode("ascii")


@lru_cache(256)
def _text(text: bytes) -> str:
    """As JSON, in ASCII; null where there is nothing."""
    return quoted(text.decode("utf-8", "backslashreplace")) if text else "null"


def _address(replica: Replica, port: int | None) -> str:
    return join_address(*replica.address(port))


@lru_cache(4)
def _time(seconds: int, form: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(form)
