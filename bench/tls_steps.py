"""`python -m bench.tls_steps`: what OpenSSL alone takes of a request and of a full handshake, in CPU time.

Both sides are in memory, and the server's alone is measured, step by step, as the proxy takes them.
"""

from __future__ import annotations

import ssl
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeVar

from bench.backends import ANSWER
from composectl.certificates.authority import Authority
from composectl.proxy.tls_contexts import make_server_context

_REQUESTS, _HANDSHAKES = 20_000, 500
_REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)
_RECORD = 16_384
_Result = TypeVar("_Result")


class Pair:
    """A client and a server that have not shaken hands; `took`: nanoseconds of the server, by the name of the step."""

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext, took: dict[str, list[int]]) -> None:
        self._took = took
        self._to_client, self._from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._to_server, self._from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._client = client.wrap_bio(self._to_client, self._from_client, server_hostname="localhost")
        self._server = self._timed(
            "a connection", lambda: server.wrap_bio(self._to_server, self._from_server, server_side=True)
        )

    def shake_hands(self) -> None:
        for step in ("the ClientHello", "the client's Finished"):
            with suppress(ssl.SSLWantReadError):
                self._client.do_handshake()
            self._to_server.write(self._from_client.read())
            self._timed(step, self._shake)
            self._to_client.write(self._from_server.read())

    def exchange(self) -> None:
        self._client.write(_REQUEST)
        data = self._from_client.read()
        self._timed("a request is put in", lambda: self._to_server.write(data))
        self._timed("it is decrypted", lambda: self._server.read(_RECORD))
        self._timed("the response is encrypted", lambda: self._server.write(_RESPONSE))
        self._to_client.write(self._timed("it is taken out", self._from_server.read))
        self._client.read(_RECORD)

    # Private

    def _shake(self) -> None:
        with suppress(ssl.SSLWantReadError):
            self._server.do_handshake()

    def _timed(self, step: str, act: Callable[[], _Result]) -> _Result:
        began = time.thread_time_ns()
        result = act()
        self._took[step].append(time.thread_time_ns() - began)
        return result


def main() -> None:
    with TemporaryDirectory() as folder:
        server = make_server_context()
        server.load_cert_chain(Authority(Path(folder)).issue(["localhost"]))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    took: dict[str, list[int]] = defaultdict(list)
    for _ in range(_HANDSHAKES):
        pair = Pair(client, server, took)
        pair.shake_hands()
    for _ in range(_REQUESTS):
        pair.exchange()
    for step, nanoseconds in took.items():
        print(f"{step:30} {median(nanoseconds) / 1000 - _clock():7.2f} µs")


# Private


def _clock() -> float:
    """Microseconds that the clock itself takes, and a call of a function."""
    took: list[int] = []
    for _ in range(_REQUESTS):
        began = time.thread_time_ns()
        (lambda: None)()
        took.append(time.thread_time_ns() - began)
    return median(took) / 1000


if __name__ == "__main__":
    main()
