"""A user without pages for pipes (`/proc/sys/fs/pipe-user-pages-soft`) gets smaller ones, and then none."""

from __future__ import annotations

import subprocess
import sys

# The limit is not for root: a user of its own, whose pipes are the only ones, meets it as any other would.
_USER = 54_321
_LIMITED = f"""
import asyncio, fcntl, os, resource, socket  # what is imported later could not be read
from contextlib import suppress
from composectl.proxy.poller import poller
from composectl.proxy.socket_transport import SocketTransport
from composectl.proxy.splice import PIPES, Splice

def make(size):
    pipe = os.pipe()
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, size)
    return pipe

def use_up(size):
    made = []
    with suppress(PermissionError):
        while True:
            made.append(make(size))
    return made

def wire():
    here, there = socket.socketpair()
    here.setblocking(False)
    transport = SocketTransport(poller(), here.detach(), None)
    transport.begin(asyncio.Protocol())
    return transport, there

async def moved():
    (source, sender), (target, receiver) = wire(), wire()
    sender.send(b"x" * 10_000)
    try:
        splice = Splice(source, target, lambda *ended: None, 10_000)
    except OSError as error:
        return error.strerror
    splice.start()
    splice.stop()
    return len(receiver.recv(20_000))

if os.getuid() == 0:
    os.setresuid({_USER}, {_USER}, {_USER})
for end in use_up(1024 * 1024)[-1]:
    os.close(end)
make(512 * 1024)
pipe = PIPES.take()
print(fcntl.fcntl(pipe[1], fcntl.F_GETPIPE_SZ))
PIPES.give_back(pipe)
print(asyncio.run(moved()))
PIPES.close()
for size in (256 * 1024, 64 * 1024):
    use_up(size)
print(asyncio.run(moved()), PIPES.in_use)
"""


def test_smaller_pipes_are_used_and_then_the_transports() -> None:
    ended = subprocess.run([sys.executable, "-c", _LIMITED], capture_output=True, text=True, timeout=60)
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [str(256 * 1024), "10000", "No buffer space available 0"]
