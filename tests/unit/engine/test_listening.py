"""Which ports the processes of a container listen on."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from composectl.engine.listening import listening, parse_listeners

HEADINGS = "  sl  local_address rem_address   st tx_queue rx_queue\n"
TCP = f"""{HEADINGS}   0: 0B00007F:8C23 00000000:0000 0A 00000000:00000000
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   2: 00000000:0050 00000000:0000 0A 00000000:00000000
   3: 020012AC:0050 010012AC:9C40 01 00000000:00000000
"""
TCP6 = f"""{HEADINGS}   0: 00000000000000000000000000000000:1538 00000000000000000000000000000000:0000 0A 0:0
   1: 00000000000000000000000001000000:1539 00000000000000000000000000000000:0000 0A 0:0
   2: 0000000000000000FFFF00000100007F:153A 00000000000000000000000000000000:0000 0A 0:0
"""
little = pytest.mark.skipif(sys.byteorder != "little", reason="the texts are those of a little-endian machine")


@little
def test_listeners_are_told_without_connections_and_without_dockers_resolver() -> None:
    assert parse_listeners(TCP) == (("127.0.0.1", 8080), ("0.0.0.0", 80))
    assert parse_listeners(TCP6) == (("::", 5432), ("::1", 5433), ("127.0.0.1", 5434))


@little
def test_a_process_of_another_network_is_not_asked(tmp_path: Path) -> None:
    net = tmp_path / "7" / "net"
    net.mkdir(parents=True)
    (net / "fib_trie").write_text("Local:\n  +-- 0.0.0.0/0\n     |-- 172.18.0.2\n        /32 host LOCAL\n")
    (net / "tcp").write_text(TCP)
    assert listening(7, "172.18.0.2", tmp_path) == (("0.0.0.0", 80), ("127.0.0.1", 8080))
    assert listening(7, "172.18.0.9", tmp_path) is None
    assert listening(8, "172.18.0.2", tmp_path) is None
    assert listening(0, "172.18.0.2", tmp_path) is None


@pytest.mark.skipif(not Path("/proc/self/net/fib_trie").exists(), reason="this kernel tells nothing")
def test_a_real_listener_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = listening(os.getpid(), "127.0.0.1")
        assert found is not None
        assert server.getsockname()[:2] in found
