"""HAProxy as a proxy that does what ours does; before servers of TCP, also with splice(2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from bench.cores import PROXY_CORE
from bench.peers.peer import Peer, Place
from bench.process import started

_CONFIG = """
global
  nbthread {threads}
  maxconn 16000
  no strict-limits
defaults
  mode http
  timeout connect 1s
  timeout client 3600s
  timeout server 3600s
  timeout http-keep-alive 3600s
  timeout tunnel 3600s
  option forwardfor
  http-reuse always
frontend clients
  bind 127.0.0.1:{port} backlog 4096 shards by-thread{words}
  http-request set-header X-Forwarded-Proto {scheme}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Via "1.1 haproxy"
  http-request set-header X-Request-ID %[uuid] unless {{ req.hdr(X-Request-ID) -m found }}
  http-request set-var(txn.named) req.hdr(X-Request-ID)
  default_backend backends
backend backends
  balance leastconn
  {retries}
  http-response set-header X-Internal-Service %si:%sp
  http-response set-header X-Request-ID %[var(txn.named)]
  {servers}
"""

_TCP_CONFIG = """
global
  nbthread 1
  maxconn 16000
  no strict-limits
defaults
  mode tcp
  {splice}
  timeout connect 1s
  timeout client 3600s
  timeout server 3600s
frontend clients
  bind 127.0.0.1:{port} backlog 4096
  default_backend backends
backend backends
  balance leastconn
  {servers}
"""

# Where backends are killed: as often as composectl checks, and on another server
_CHECK = " check inter 200ms fall 1 rise 1"
_RETRIES = "option redispatch 1\n  retry-on conn-failure empty-response"


_SPLICE = "option splice-auto\n  option splice-response"


def _of_threads(count: int) -> Peer:
    return Peer(f"haproxy-{count}", _starter(splice=False, threads=count), ("haproxy", "-v"))


def _starter(*, splice: bool, threads: int = 1) -> Callable[[Place], AbstractContextManager[int]]:
    @contextmanager
    def start(place: Place) -> Iterator[int]:
        config = place.folder / "haproxy.cfg"
        of_tcp = place.backends.tcp and not place.backends.upgraded
        config.write_text(_tcp_config(place, _SPLICE if splice else "") if of_tcp else _config(place, threads))
        command = ["haproxy", "-db", "-f", str(config)]
        with started(command, core=PROXY_CORE, port=place.port, log=place.folder / "out") as pid:
            yield pid

    return start


def _config(place: Place, threads: int) -> str:
    http2 = " proto h2" if place.backends.grpc else ""
    check, retries = (_CHECK, _RETRIES) if place.backends.killable else ("", "")
    servers = _servers(place, check + http2)
    pem = place.backends.certificate
    words, scheme = (http2, "http") if pem is None else (f" ssl crt {pem} alpn h2,http/1.1", "https")
    return _CONFIG.format(
        threads=threads, port=place.port, servers=servers, retries=retries, words=words, scheme=scheme
    )


def _tcp_config(place: Place, splice: str) -> str:
    return _TCP_CONFIG.format(port=place.port, servers=_servers(place, ""), splice=splice)


def _servers(place: Place, words: str) -> str:
    addresses = enumerate(place.backends.addresses, 1)
    return "\n  ".join(f"server s{number} {address}{words}" for number, address in addresses)


HAPROXY = Peer("haproxy", _starter(splice=False), ("haproxy", "-v"))
HAPROXY_SPLICE = Peer("haproxy-splice", _starter(splice=True), ("haproxy", "-v"))
THREADS = tuple(map(_of_threads, (1, 2, 4)))
