"""Servers that answer unary calls of gRPC over h2c, each a process of its own: nghttpd with a file and trailers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.backends import Backends
from bench.cores import LOAD_CORE
from bench.ports import free_ports
from bench.process import started

METHOD = "/helloworld.Greeter/SayHello"
REQUEST = b"\0\0\0\0\x07\n\x05world"
REPLY = b"\0\0\0\0\x0d\n\x0bhello world"


@contextmanager
def answering(count: int, folder: Path) -> Iterator[Backends]:
    """Answer `METHOD` at so many addresses."""
    reply = folder / "files" / METHOD[1:]
    reply.parent.mkdir(parents=True)
    reply.write_bytes(REPLY)
    backends = Backends(count, free_ports(1)[0], grpc=True)
    with ExitStack() as stack:
        for host in backends.hosts:
            command = [
                *("nghttpd", "--no-tls", "--address", host, "--htdocs", str(folder / "files")),
                *("--trailer", "grpc-status: 0", str(backends.port)),
            ]
            log = folder / f"{host}.out"
            stack.enter_context(started(command, core=LOAD_CORE, port=backends.port, host=host, log=log))
        yield backends
