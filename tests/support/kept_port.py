"""Ports that stay with a test: what is bound and does not listen refuses, and the kernel gives it to no other."""

from __future__ import annotations

import socket


def keep_port(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A socket that keeps a port of `host`, 0: any, until it is closed.

    A server may listen there meanwhile if it sets SO_REUSEADDR, and listen again after it has closed its own socket.
    """
    kept = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        kept.bind((host, port))
    except OSError:
        kept.close()
        raise
    return kept
