"""Which protocol a published port has where nothing is written."""

from __future__ import annotations

import pytest

from composectl.proxy.protocol import Protocol, usual_protocol


@pytest.mark.parametrize("port", [22, 3306, 5432, 6379, 27017])
def test_databases_and_servers_that_speak_first_are_tcp(port: int) -> None:
    assert usual_protocol(port) is Protocol.TCP


@pytest.mark.parametrize("port", [80, 443, 8080, 8123, 9000, 9090, 9200, 15672, 50051])
def test_other_ports_are_recognised_by_the_first_bytes(port: int) -> None:
    assert usual_protocol(port) is Protocol.AUTO
