"""Which `Host` is ours."""

import pytest

from composectl.control.http_server import is_allowed_host


@pytest.mark.parametrize(
    "host",
    [
        *(None, "localhost", "LocalHost:9464", "127.0.0.1:9464", "127.0.0.1", "192.0.2.7:9464", "[::1]:9464", "[::1]"),
        *("host.docker.internal:9464", "box", "Box:9464", "box.example:1"),
    ],
)
def test_addresses_and_our_own_names_are(host: str | None) -> None:
    assert is_allowed_host(host, "box", "Box.Example", "")


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example:9464", "127.0.0.1.evil.example", "bo", ":"]
)
def test_other_names_are_not(host: str) -> None:
    assert not is_allowed_host(host, "box", "")
