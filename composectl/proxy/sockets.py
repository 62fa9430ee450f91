"""Sockets: their state as the kernel knows it, keep-alive, errors, and the limit of open files."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import ssl
import struct
import sys
from contextlib import suppress
from typing import Final

CAN_TELL: Final = hasattr(select, "poll")
_END: Final[int] = getattr(select, "POLLRDHUP", 0)  # Linux
_INTERVAL: Final = 1
_PROBES: Final = 3
_MILLISECONDS: Final = 1000
# Not every system has all of them.
_IDLE: Final = getattr(socket, "TCP_KEEPIDLE", None)
_EVERY: Final = getattr(socket, "TCP_KEEPINTVL", None)
_TIMES: Final = getattr(socket, "TCP_KEEPCNT", None)
_UNHEARD: Final = getattr(socket, "TCP_USER_TIMEOUT", None)
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_ENDLESS: Final = 1_048_576
_NO_LINGER: Final = struct.pack("ii", 1, 0)


def is_quiet(descriptor: int) -> bool:
    """Whether nothing can be read, not even an end (poll(2)); the loop may not have looked yet."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


def has_ended(descriptor: int) -> bool:
    """The other side sends no more, whatever is still to be read; false where the system does not tell."""
    if not CAN_TELL or not _END:
        return False
    poll = select.poll()
    poll.register(descriptor, _END)
    return bool(poll.poll(0))


def has_failed(descriptor: int) -> bool:
    """Whether the connection was reset, or timed out; false where the system does not tell."""
    if not CAN_TELL:
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def has_unread(descriptor: int) -> bool:
    """Whether bytes wait to be read (ioctl_tty(2), FIONREAD); false where the system does not tell."""
    return _count(descriptor, "FIONREAD") > 0


def unsent(transport: asyncio.Transport) -> int:
    """Changes while the other side takes something of what waits to be sent; 0 where nothing waits."""
    waiting = transport.get_write_buffer_size()
    # The kernel asks for more only once much of what it has is acknowledged.
    return waiting + unacknowledged(transport.get_extra_info("socket").fileno()) if waiting else 0


def unacknowledged(descriptor: int) -> int:
    """How many bytes of what was written the other side has not acknowledged (tcp(7), SIOCOUTQ)."""
    return _count(descriptor, "TIOCOUTQ")


def keep_alive(transport: asyncio.BaseTransport, idle: int, interval: int = _INTERVAL) -> None:
    """Break the connection when the other side leaves three probes unanswered after `idle` seconds of silence (tcp(7)).

    `interval`: the seconds between the probes.
    """
    _set(transport, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((_IDLE, idle), (_EVERY, interval), (_TIMES, _PROBES)):
        _set(transport, socket.IPPROTO_TCP, option, value)


def give_up_soon(transport: asyncio.BaseTransport) -> None:
    """Break the connection when the other side does not answer for a few seconds, whatever is on its way to it."""
    keep_alive(transport, idle=_INTERVAL)
    _set(transport, socket.IPPROTO_TCP, _UNHEARD, _PROBES * _MILLISECONDS)


def reset(transport: asyncio.Transport) -> None:
    """End the connection so that the other side cannot take what it has got for all of it."""
    _set(transport, socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def is_exhaustion(error: OSError) -> bool:
    """Whether this process lacks descriptors or memory: no backend is to blame."""
    return error.errno in _EXHAUSTED


def reason_of(error: OSError) -> str:
    """The system's own words where it has some, since the loops have different ones; those of OpenSSL for TLS."""
    if isinstance(error, ssl.SSLError):
        return _reason_of_tls(error)
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return error.strerror or str(error) or "no answer in time"


def open_files() -> int:
    """The limit as it is now."""
    if sys.platform == "win32":
        return _ENDLESS
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit

    soft, _ = getrlimit(RLIMIT_NOFILE)
    return _ENDLESS if soft == RLIM_INFINITY else soft


def raise_open_files() -> int:
    """Raise the limit as far as it may go; returns it."""
    if sys.platform != "win32":
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

        _, hard = getrlimit(RLIMIT_NOFILE)
        setrlimit(RLIMIT_NOFILE, (_ENDLESS if hard == RLIM_INFINITY else hard, hard))
    return open_files()


# Private


def _reason_of_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message.rstrip('.')}"
    said = (error.reason or "no TLS").lower().replace("_", " ")
    return f"no TLS came to be: {said}"


def _count(descriptor: int, request: str) -> int:
    if sys.platform == "win32":
        return 0
    import termios
    from fcntl import ioctl

    with suppress(OSError):
        return int.from_bytes(ioctl(descriptor, getattr(termios, request), bytes(4)), sys.byteorder)
    return 0


def _set(transport: asyncio.BaseTransport, level: int, option: int | None, value: int | bytes) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None and option is not None:
        with suppress(OSError, ValueError):  # it is closed already
            sock.setsockopt(level, option, value)
