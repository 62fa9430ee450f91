"""Caddy as a proxy that does what ours does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.cores import PROXY_CORE
from bench.peers.peer import Peer, Place
from bench.process import started

_CONFIG = """
{{
  admin off
  auto_https off
{servers}
}}
{scheme}://:{port} {{
  bind 127.0.0.1
  {tls}
  reverse_proxy {addresses} {{
    lb_policy least_conn
    header_up Via "1.1 caddy"
    header_down X-Internal-Service {{http.reverse_proxy.upstream.hostport}}
    header_up X-Request-ID {{http.request.uuid}}
    header_down X-Request-ID {{http.request.uuid}}
    transport http {{
      keepalive_idle_conns_per_host 1024
      {transport}
    }}
  }}
}}
"""

_H2C_SERVERS = "  servers {\n    protocols h1 h2 h2c\n  }"


@contextmanager
def _start(place: Place) -> Iterator[int]:
    config = place.folder / "Caddyfile"
    servers, transport = (_H2C_SERVERS, "versions h2c 2") if place.backends.grpc else ("", "")
    addresses = " ".join(place.backends.addresses)
    pem = place.backends.certificate
    scheme, tls = ("http", "") if pem is None else ("https", f"tls {pem} {pem}")
    words = {"servers": servers, "transport": transport, "scheme": scheme, "tls": tls}
    config.write_text(_CONFIG.format(port=place.port, addresses=addresses, **words))
    command = ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]
    homes = {name: str(place.folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    environment = {"GOMAXPROCS": "1", **homes}
    log = place.folder / "out"
    with started(command, core=PROXY_CORE, port=place.port, log=log, environment=environment) as pid:
        yield pid


CADDY = Peer("caddy", _start, ("caddy", "version"))
