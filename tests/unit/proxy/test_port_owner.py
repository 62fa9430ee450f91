"""Which process holds a port, as far as the machine shows."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from composectl.proxy.port_owner import process_on
from tests.support.kept_port import keep_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_process_that_listens_is_named(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listening:
        assert process_on(listening.getsockname()[1]).endswith(f"(process {os.getpid()})")


def test_one_that_is_only_connected_is_not() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
    ):
        assert process_on(client.getsockname()[1]) == ""


def test_a_free_port_has_no_owner() -> None:
    with keep_port() as free:
        assert process_on(free.getsockname()[1]) == ""
