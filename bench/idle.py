"""Clients that have had an answer and keep their connection."""

from __future__ import annotations

import resource
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.backends import ANSWER

SPARE_DESCRIPTORS = 200
_PATIENCE = 10.0


@contextmanager
def idle(port: int, connections: int, *, over_tls: bool = False) -> Iterator[list[socket.socket]]:
    """So many of them, and the descriptors for it. Raises SystemExit where the system allows fewer."""
    tls = _trusting_context() if over_tls else None
    with descriptors(connections + SPARE_DESCRIPTORS), ExitStack() as stack:
        clients = [stack.enter_context(_connected(port, tls)) for _ in range(connections)]
        yield [client for client in clients if answers(client)]


def answers(client: socket.socket) -> bool:
    """Whether the connection is good for one more request."""
    try:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        read = b""
        while data := client.recv(4096):
            read += data
            if read.endswith(ANSWER):
                return read.startswith(b"HTTP/1.1 200 ")
    except OSError:
        pass
    return False


@contextmanager
def descriptors(needed: int) -> Iterator[None]:
    """Allow this process so many open files. Raises SystemExit where the system allows fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SystemExit(f"error: {needed} open files are needed, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Private


def _connected(port: int, tls: ssl.SSLContext | None) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), _PATIENCE)
    return client if tls is None else tls.wrap_socket(client)


def _trusting_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
