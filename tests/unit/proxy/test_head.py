"""Heads, byte for byte, as they leave us."""

from __future__ import annotations

import pytest

from composectl.proxy.errors import BadMessage
from composectl.proxy.forwarding import forwarding_lines
from composectl.proxy.head import (
    RequestHead,
    interim_head,
    request_head,
    response_head,
)
from composectl.proxy.http1.encoding import encode_interim, encode_response, last_chunk

OURS = b"Via: 1.1 composectl\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"


NOW = b"Mon, 23 Nov 2026 12:00:00 GMT"
DATED = b"Date: " + NOW + b"\r\n"


def fields(*lines: str) -> list[tuple[bytes, bytes]]:
    pairs = (line.partition(": ") for line in lines)
    return [(name.encode(), value.encode("latin-1")) for name, _, value in pairs]


def asked(*lines: str, method: bytes = b"GET", target: bytes = b"/", version: str = "1.1") -> RequestHead:
    return request_head(
        method, target, version, fields("Host: a", *lines), forwarding_lines("192.0.2.1", "http", "composectl")
    )


def sent_on(*lines: str, method: bytes = b"GET") -> list[str]:
    """What of these lines, and of our own framing, reaches the backend."""
    _, _, rest = asked(*lines, method=method).data.partition(b"Host: a\r\n")
    return rest.replace(OURS, b"").decode("latin-1").split("\r\n")[:-2]


def answered(*lines: str, status: int = 200, keep_alive: bool = True, http_1_0: bool = False) -> bytes:
    head = response_head(status, b"Fine", fields(f"Date: {NOW.decode()}", *lines), backend_line=b"")
    return encode_response(head, b"", keep_alive, http_1_0)[0]


# Requests


def test_a_plain_request_gains_our_lines_and_loses_nothing() -> None:
    assert asked("X-A: b").data == b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n" + OURS + b"\r\n"


@pytest.mark.parametrize(
    "line", ["Keep-Alive: timeout=5", "Proxy-Connection: close", "TE: gzip", "Upgrade: foo", "Connection: close"]
)
def test_c1_hop_by_hop_fields_are_removed(line: str) -> None:
    assert sent_on(line, "X-End: 1") == ["X-End: 1"]


def test_c1_te_goes_on_where_it_says_trailers() -> None:
    assert sent_on("TE: gzip, trailers", "Connection: TE") == ["Connection: TE", "TE: trailers"]


@pytest.mark.parametrize(
    "connection",
    [
        ["Connection: X-One, x-two"],
        ["Connection: close", "Connection: X-ONE,X-Two"],
        ["Connection: ", "Connection: X-One ,\tX-Two"],
        ["connection: keep-alive, X-One", "CONNECTION: X-Two"],
    ],
)
def test_c2_fields_that_connection_names_are_removed(connection: list[str]) -> None:
    assert sent_on("X-One: 1", *connection, "X-Two: 2", "X-Three: 3") == ["X-Three: 3"]


def test_c2_connection_removes_neither_end_to_end_nor_own_fields() -> None:
    lines = sent_on(
        "Connection: X-Forwarded-For, Host, Content-Length, Authorization, Cookie, Via",
        *("Authorization: Basic eA==", "Cookie: a=b", "Via: 1.0 edge", "Content-Length: 5"),
        method=b"POST",
    )
    assert lines == ["Authorization: Basic eA==", "Cookie: a=b", "Via: 1.0 edge", "Content-Length: 5"]
    assert OURS in asked("Connection: X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Via").data


def test_c4_order_case_and_repetition_are_kept() -> None:
    lines = ["b: 1", "A: 2", "B: 3", "a: ", "X-Latin: caf\xe9", "a: 4"]
    assert sent_on(*lines) == lines


def test_c6_what_the_client_says_of_others_is_dropped() -> None:
    said = ["X-Forwarded-For: 6.6.6.6", "x-forwarded-proto: https", "X-FORWARDED-HOST: evil", "Forwarded: for=6.6.6.6"]
    assert sent_on(*said) == []


def test_c7_the_via_of_others_stays_before_ours() -> None:
    assert b"Via: 1.0 edge\r\nVia: 1.1 composectl\r\n" in asked("Via: 1.0 edge").data


TARGETS = [
    b"/a%2Fb//c/%7Euser/%zz/../x;p=1?a=1&a=2;b=3&c=%20+%2B&d",
    b"/?",
    b"/%2e%2e/",
    b"/x?a=1;b=2",
    b"/x?%zz",
    b"//evil/x",
    b"/" + b"x" * 8000,
]


@pytest.mark.parametrize("target", TARGETS, ids=range(len(TARGETS)))
def test_c8_the_target_goes_on_byte_for_byte(target: bytes) -> None:
    assert asked(target=target).data.startswith(b"GET " + target + b" HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"http://b", b"GET / HTTP/1.1\r\nHost: b\r\n"),
        (b"HTTPS://b:8443?x", b"GET /?x HTTP/1.1\r\nHost: b:8443\r\n"),
        (b"http://[::1]:80/y", b"GET /y HTTP/1.1\r\nHost: [::1]:80\r\n"),
    ],
)
def test_a21_a_whole_url_is_taken_apart(target: bytes, expected: bytes) -> None:
    head = asked(target=target).data
    assert head.startswith(expected)
    assert head.count(expected.partition(b"Host: ")[2]) == 2  # also as X-Forwarded-Host


@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"OPTIONS", b"POST"])
def test_c11_no_body_stays_no_body(method: bytes) -> None:
    assert sent_on(method=method) == []


def test_c11_an_empty_body_stays_an_empty_body() -> None:
    assert sent_on("Content-Length: 0", method=b"POST") == ["Content-Length: 0"]


@pytest.mark.parametrize(("said", "sent"), [("010", "10"), ("00", "0"), ("0" * 90 + "5", "5")])
def test_a4_a_length_goes_on_without_zeros_in_front(said: str, sent: str) -> None:
    assert sent_on(f"Content-Length: {said}", method=b"POST") == [f"Content-Length: {sent}"]
    assert answered(f"Content-Length: {said}").endswith(f"\r\nContent-Length: {sent}\r\n\r\n".encode())


def test_http_1_0_may_do_without_a_host() -> None:
    head = request_head(b"GET", b"/", "1.0", [], forwarding_lines("::1", "https", "composectl")).data
    assert head.startswith(b"GET / HTTP/1.1\r\nHost: \r\n")
    assert b"X-Forwarded-For: ::1\r\nX-Forwarded-Proto: https\r\n" in head


@pytest.mark.parametrize("target", [b"/", b"http://b/"])
@pytest.mark.parametrize("line", ["Content-Length: 5", "Via: 1.0 edge"])
def test_c19_http_1_0_loses_nothing_where_it_does_without_a_host(target: bytes, line: str) -> None:
    head = request_head(b"POST", target, "1.0", fields(line), forwarding_lines("::1", "http", "composectl")).data
    assert f"\r\n{line}\r\n".encode() in head


def test_an_upgrade_goes_on() -> None:
    head = asked("Connection: keep-alive, Upgrade", "Upgrade: websocket")
    assert head.upgrade
    assert head.data.endswith(b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")


@pytest.mark.parametrize(
    "lines",
    [
        ["Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5"],
        ["Connection: Upgrade", "Upgrade: websocket", "Transfer-Encoding: chunked"],
        ["Connection: Upgrade", "Upgrade: h2c"],
        ["Connection: Upgrade"],
        ["Upgrade: websocket"],
    ],
)
def test_an_upgrade_with_a_body_or_to_h2c_or_in_half_is_none(lines: list[str]) -> None:
    head = asked(*lines)
    assert not head.upgrade
    assert b"pgrade" not in head.data


def test_an_upgrade_of_http_1_0_is_none() -> None:
    assert not asked("Connection: Upgrade", "Upgrade: websocket", version="1.0").upgrade


@pytest.mark.parametrize("target", [b"http://", b"http:///x", b"http://a b/", b"http://user@b/", b"http://a/#f", b"*"])
def test_a23_what_is_no_target_is_refused(target: bytes) -> None:
    with pytest.raises(BadMessage) as refused:
        asked(target=target)
    assert refused.value.status == 400


# Responses


def test_a_response_keeps_its_bytes_and_gets_our_framing() -> None:
    assert answered("Content-Length: 2", "Server: x", "Connection: close") == (
        b"HTTP/1.1 200 Fine\r\nServer: x\r\n" + DATED + b"Content-Length: 2\r\n\r\n"
    )


def test_a_response_of_unknown_length_is_chunked() -> None:
    assert answered() == b"HTTP/1.1 200 Fine\r\n" + DATED + b"Transfer-Encoding: chunked\r\n\r\n"


def test_c19_or_ends_with_the_connection_for_http_1_0() -> None:
    assert answered(http_1_0=True) == b"HTTP/1.1 200 Fine\r\n" + DATED + b"Connection: close\r\n\r\n"


def test_c2_connection_in_a_response_cannot_remove_cookies() -> None:
    head = answered("Connection: X-Hop, Set-Cookie", "X-Hop: 1", "Set-Cookie: a=b", "Content-Length: 0")
    assert head == b"HTTP/1.1 200 Fine\r\nSet-Cookie: a=b\r\n" + DATED + b"Content-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "length", "expected"),
    [(204, [], b""), (304, [], b""), (204, ["Content-Length: 5"], b""), (304, ["Content-Length: 5"], b"5")],
)
def test_c14_statuses_without_a_body(status: int, length: list[str], expected: bytes) -> None:
    framing = b"Content-Length: " + expected + b"\r\n" if expected else b""
    assert answered(*length, status=status) == b"HTTP/1.1 %d Fine\r\n%b%b\r\n" % (status, DATED, framing)


def test_an_interim_response_is_no_place_for_framing() -> None:
    head = interim_head(103, b"Early Hints", fields("Link: </a>", "Content-Length: 0", "Connection: X", "X: y"))
    assert encode_interim(head) == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def test_a17_trailers_are_what_may_trail() -> None:
    assert last_chunk(fields("X-Sum: 1", "Set-Cookie: a=b", "content-type: x", "X-Internal-Service: y")) == (
        b"0\r\nX-Sum: 1\r\n\r\n"
    )
