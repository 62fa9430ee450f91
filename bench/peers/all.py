"""All peers, by name."""

from __future__ import annotations

from bench.peers import haproxy, nginx, ours
from bench.peers.caddy import CADDY
from bench.peers.go import GO, GO_POOLED, GO_TUNED
from bench.peers.haproxy import HAPROXY, HAPROXY_SPLICE
from bench.peers.nginx import NGINX, NGINX_TUNED
from bench.peers.ours import CAPPED, COMPOSECTL, HASHED, INTERPRETED, LOGGING, QUEUED, STICKY, WATCHED, WITHOUT_TABLE
from bench.peers.peer import Peer

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        *(NGINX, NGINX_TUNED, COMPOSECTL, INTERPRETED, WITHOUT_TABLE, LOGGING, WATCHED),
        *(STICKY, HASHED, CAPPED, QUEUED),
        *(HAPROXY, HAPROXY_SPLICE, GO, GO_TUNED, GO_POOLED, CADDY),
        *(*ours.WORKERS, *nginx.WORKERS, *haproxy.THREADS),
    )
}
