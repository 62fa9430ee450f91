"""`port`: which listener leads to a container's port."""

from __future__ import annotations

import pytest

from composectl.commands.port import first_listener
from composectl.errors import ComposectlError

LISTENERS = {"80": ["0.0.0.0:8080", "[::]:8080"], "443": ["127.0.0.1:8443"]}


@pytest.mark.parametrize(
    ("port", "listener"), [("80", "0.0.0.0:8080"), ("80/tcp", "0.0.0.0:8080"), ("443", "127.0.0.1:8443")]
)
def test_the_first_listener_of_the_port_is_told(port: str, listener: str) -> None:
    assert first_listener("web", port, LISTENERS) == listener


@pytest.mark.parametrize("port", ["81", "8080", "", "80/udp"])
def test_a_port_without_a_listener_is_told_with_those_that_have_one(port: str) -> None:
    with pytest.raises(ComposectlError, match=f"no listener of service `web` leads to port {port}") as caught:
        first_listener("web", port, LISTENERS)
    assert caught.value.hint == "there are listeners for 80, 443"
