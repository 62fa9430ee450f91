"""What is said of a connection that was not made."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from composectl.proxy.sockets import is_exhaustion, reason_of
from tests.support.backends import listen_on


async def test_the_same_is_said_on_every_loop() -> None:
    (backend,) = listen_on(["127.0.0.1"])
    backend.refuse()
    with pytest.raises(OSError) as raised:
        await asyncio.open_connection(backend.host, backend.port)
    assert reason_of(raised.value) == "Connection refused"
    assert not is_exhaustion(raised.value)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "no answer in time"),
        (TimeoutError(errno.ETIMEDOUT, "whatever"), "Connection timed out"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (OSError("Multiple exceptions: one, other"), "Multiple exceptions: one, other"),
    ],
)
async def test_there_is_always_something_to_say(error: OSError, reason: str) -> None:
    assert reason_of(error) == reason


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
async def test_want_of_descriptors_or_memory_is_ours(number: int) -> None:
    assert is_exhaustion(OSError(number, "whatever"))
