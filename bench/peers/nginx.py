"""nginx as a proxy that does what ours does, with its own buffers and with larger ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.cores import PROXY_CORE
from bench.peers.peer import Peer, Place
from bench.process import started

_CONFIG = """
daemon off; worker_processes {workers}; pid {folder}/pid; error_log {folder}/error.log error;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600;
  client_max_body_size 0; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  map $http_x_request_id $named {{ default $http_x_request_id; "" $request_id; }}
  upstream backends {{ least_conn; {servers} keepalive 1024; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096 {listen};
    location / {{
      {kind}_pass {scheme}://backends;
      {kind}_set_header Host $http_host; {kind}_set_header Via "1.1 nginx";
      {kind}_set_header X-Forwarded-For $remote_addr; {kind}_set_header X-Forwarded-Proto $scheme;
      {kind}_set_header X-Forwarded-Host $http_host; add_header X-Internal-Service $upstream_addr;
      {kind}_set_header X-Request-ID $named; add_header X-Request-ID $named;
      {more}
    }}
  }}
}}
"""


_HTTP = """
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; proxy_max_temp_file_size 0;
"""
_VERSION = ("nginx", "-v")
_UPGRADE = """
      proxy_http_version 1.1; proxy_set_header Connection upgrade; proxy_set_header Upgrade $http_upgrade;
"""
_LARGE_BUFFERS = "proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;"
_TLS = "ssl http2; ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_protocols TLSv1.2 TLSv1.3"


def _of_workers(count: int) -> Peer:
    return Peer(f"nginx-{count}", _starter(listen="reuseport", workers=count), _VERSION)


def _starter(buffers: str = "", listen: str = "", workers: int = 0) -> Callable[[Place], AbstractContextManager[int]]:
    """With one worker, which is what does the work; or with so many `workers`, whose master has them all."""

    @contextmanager
    def start(place: Place) -> Iterator[int]:
        config = place.folder / "nginx.conf"
        servers = " ".join(f"server {address};" for address in place.backends.addresses)
        pem = place.backends.certificate
        tls = "" if pem is None else _TLS.format(pem=pem)
        http = _UPGRADE if place.backends.upgraded else _HTTP
        words = (
            {"listen": "http2", "kind": "grpc", "scheme": "grpc", "more": ""}
            if place.backends.grpc
            else {"listen": listen + tls, "kind": "proxy", "scheme": "http", "more": http + buffers}
        )
        text = _CONFIG.format(folder=place.folder, port=place.port, servers=servers, workers=workers or 1, **words)
        config.write_text(text)
        place.folder.chmod(0o777)  # nginx gives up being root
        command = ["nginx", "-c", str(config)]
        with started(command, core=PROXY_CORE, port=place.port, log=place.folder / "out") as master:
            worker = _worker_of(master)
            yield master if workers else worker

    return start


def _worker_of(master: int) -> int:
    """The master listens before it starts its worker."""
    children = Path(f"/proc/{master}/task/{master}/children")
    while not (workers := children.read_text().split()):
        time.sleep(0.01)
    return int(workers[0])


NGINX = Peer("nginx", _starter(), _VERSION)
WORKERS = tuple(map(_of_workers, (1, 2, 4)))
NGINX_TUNED = Peer("nginx-tuned", _starter(_LARGE_BUFFERS), _VERSION)
