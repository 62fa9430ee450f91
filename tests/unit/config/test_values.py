"""Addresses as they are typed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from composectl.compose.ports import Port
from composectl.config.values import BACKEND, LISTEN, LISTENER, Address, parse
from composectl.errors import USAGE, ComposectlError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9001", Address("127.0.0.1", 9001)),
        ("[::1]:9001", Address("::1", 9001)),
        ("localhost:80", Address("localhost", 80)),
        ("app_1.internal.:65535", Address("app_1.internal.", 65535)),
        ("xn--bcher-kva.example:1", Address("xn--bcher-kva.example", 1)),
    ],
)
def test_forms_of_a_backend(text: str, address: Address) -> None:
    assert parse(BACKEND, text, "--backend") == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "9001", ":9001", "localhost", "localhost:", "localhost:http", "localhost:0", "localhost:65536"),
        *("localhost:-1", "localhost:+1", "localhost: 1", "localhost:1 ", "localhost:\u0661", "localhost:1_0"),
        *("::1:9001", "[::1]", "[::1:9001", "::1]:9001", "[127.0.0.1]:80", "[localhost]:80", "[fe80::1%lo]:80"),
        *("256.0.0.1:80", "127.1:80", "1:80", ".:80", "a..b:80", "-a:80", "a-:80", "bücher.example:80"),
        *("http://localhost:80", "localhost:80/", "user@localhost:80", "a b:80", "a\r\nX:80", f"{'a' * 64}:80"),
        f"{'a.' * 127}a:80",
    ],
)
def test_what_is_no_backend_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="expected HOST:PORT") as raised:
        parse(BACKEND, text, "--backend")
    assert raised.value.exit_code == USAGE


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8080", Address("", 8080)),
        ("0", Address("", 0)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:8080", Address("::1", 8080)),
        ("localhost:8080", Address("localhost", 8080)),
    ],
)
def test_forms_of_a_listener(text: str, address: Address) -> None:
    assert parse(LISTENER, text, "--listen") == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", ":", ":8080", "http", "localhost", "8080:80", "127.0.0.1:8080:80", "1:65536"])
def test_what_is_no_listener_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match=r"expected \[HOST:\]PORT") as raised:
        parse(LISTENER, text, "--listen")
    assert raised.value.exit_code == USAGE


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("8080", Port("", (8080, 8080), 80, "tcp")),
        ("8080:90", Port("", (8080, 8080), 90, "tcp")),
        ("127.0.0.1:8080", Port("127.0.0.1", (8080, 8080), 80, "tcp")),
        ("127.0.0.1:8080:90", Port("127.0.0.1", (8080, 8080), 90, "tcp")),
        ("[::1]:8080", Port("::1", (8080, 8080), 80, "tcp")),
        ("[::1]:8080:90", Port("::1", (8080, 8080), 90, "tcp")),
        ("0", Port("", (0, 0), 80, "tcp")),
    ],
)
def test_forms_of_listen(text: str, port: Port) -> None:
    parsed = parse(LISTEN, text, "--listen")
    assert replace(parsed, target=parsed.target or 80) == port


@pytest.mark.parametrize(
    "text", ["", "http", "127.0.0.1", "8080:http", "70000", "8080:70000", ":8080:", "example.org:80"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match=r"\[HOST:\]PORT\[:TARGET\]"):
        parse(LISTEN, text, "--listen")
