"""What the proxies stand before: one nginx on the core of the load, which is reached at many addresses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cores import LOAD_CORE
from bench.process import started

ANSWER = b"hello, hello, hello, yes"
FILES = {"/64k": 64 * 1024, "/10m": 10 * 2**20}

_CONFIG = """
daemon off; master_process off; pid {folder}/backends.pid; error_log {folder}/backends.log error;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600; sendfile on;
  client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp;
  fastcgi_temp_path {folder}/temp; uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
  server {{
    {listen}
    root {folder}/files;
    location = / {{ return 200 "{answer}"; }}
    location = /traced {{ add_header Traceparent $http_traceparent; return 200 "{answer}"; }}
    {more}
  }}
}}
"""

_BEHIND = """
    location = /upload {{ client_max_body_size 0; proxy_pass http://127.0.0.1:{port}; }}
    location = /ws {{
      proxy_pass http://127.0.0.1:{port}; proxy_http_version 1.1; proxy_read_timeout 3600;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_buffering off;
    }}
"""


@dataclass(frozen=True, slots=True)
class Backends:
    """Servers at 127.0.0.1, 127.0.0.2, ... on one port: `/` has 24 bytes and takes any body, `FILES` are there too.

    `/traced` repeats the `Traceparent` of its request.

    `killable`: each is a process of its own, which may be killed, and which has nothing but `/`. `grpc`: each answers
    calls of gRPC over h2c, and nothing else. `holds`: they end no call. `tcp`: each answers messages over TCP, with so
    many bytes (0: with HTTP). `upgraded`: they do so behind a handshake for a WebSocket. `certificate`: the file, with
    its key, by which clients speak TLS to the proxies before them.
    """

    count: int
    port: int
    killable: bool = False
    grpc: bool = False
    holds: bool = False
    tcp: int = 0
    upgraded: bool = False
    certificate: Path | None = None

    @property
    def hosts(self) -> list[str]:
        return [f"127.0.0.{number}" for number in range(1, self.count + 1)]

    @property
    def addresses(self) -> list[str]:
        return [f"{host}:{self.port}" for host in self.hosts]

    def first(self, count: int) -> Backends:
        """So many of them."""
        return replace(self, count=count)


NONE = Backends(0, 0)


@contextmanager
def serving(backends: Backends, folder: Path, behind: int = 0) -> Iterator[None]:
    """Answer at all of them; `/ws` and `/upload` are answered by the server on the port `behind`, if there is one."""
    _write_files(folder / "files")
    config = folder / "backends.conf"
    config.write_text(
        _CONFIG.format(
            folder=folder,
            listen=" ".join(f"listen {address} backlog=4096;" for address in backends.addresses),
            answer=ANSWER.decode(),
            more=_BEHIND.format(port=behind) if behind else "",
        )
    )
    command = ["nginx", "-c", str(config)]
    with started(command, core=LOAD_CORE, port=backends.port, log=folder / "backends.out"):
        yield


# Private


def _write_files(folder: Path) -> None:
    folder.mkdir()
    for path, size in FILES.items():
        (folder / path[1:]).write_bytes(os.urandom(2**16) * (size // 2**16))
    for readable in (*folder.iterdir(), folder, folder.parent):
        readable.chmod(0o755)  # nginx gives up being root
