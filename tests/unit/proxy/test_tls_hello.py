"""The ClientHello, as Python's own ssl writes it, and as nothing writes it."""

from __future__ import annotations

import ssl
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.proxy.errors import BadMessage
from composectl.proxy.tls_hello import MAX_HELLO, HelloReader

_LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=63).filter(
    lambda label: label.strip("-") == label and "--" not in label
)
NAMES = st.lists(_LABEL, min_size=2, max_size=4).map(".".join).filter(lambda name: not name[-1].isdigit())


def client_hello(name: str | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = version
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


HELLO = client_hello("shop.example")


def in_records(hello: bytes, size: int) -> bytes:
    """The same handshake message in records of this size."""
    body = hello[5:]
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(hello[:3] + len(part).to_bytes(2) + part for part in parts)


@given(NAMES, st.sampled_from([ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]), st.integers(1, 600))
def test_the_name_is_read_in_whatever_pieces_it_comes(name: str, version: ssl.TLSVersion, size: int) -> None:
    hello = client_hello(name, version)
    for data in (hello, in_records(hello, size)):
        reader = HelloReader()
        whole = [reader.feed(data[at : at + size]) for at in range(0, len(data), size)]
        assert whole == [False] * (len(whole) - 1) + [True]
        assert reader.server_name == name
        assert reader.received == data


@pytest.mark.parametrize("name", [None, "192.0.2.1"])
def test_without_a_name_there_is_none(name: str | None) -> None:
    reader = HelloReader()
    assert reader.feed(client_hello(name))
    assert reader.server_name == ""


@pytest.mark.parametrize("name", [b"a b", b"a\r\nX: y", b"\xff", b""])
def test_a_name_that_is_none_is_left_out(name: bytes) -> None:
    hello = client_hello("shop.example")
    name = name.ljust(12, b"\0")
    reader = HelloReader()
    assert reader.feed(hello.replace(b"shop.example", name))
    assert reader.server_name == ""


@given(st.data())
def test_a_changed_hello_is_refused_or_read_and_never_more(data: st.DataObject) -> None:
    hello = bytearray(HELLO)
    for _ in range(data.draw(st.integers(1, 4))):
        hello[data.draw(st.integers(0, len(hello) - 1))] = data.draw(st.integers(0, 255))
    reader = HelloReader()
    with suppress(BadMessage):
        reader.feed(bytes(hello))
        assert reader.server_name.isascii()
        assert len(reader.server_name) <= 255


@given(st.lists(st.binary(max_size=300), max_size=300), st.booleans())
def test_whatever_comes_is_bounded_and_raises_nothing_else(pieces: list[bytes], framed: bool) -> None:
    reader = HelloReader()
    with suppress(BadMessage):
        for piece in pieces:
            reader.feed(b"\x16\3\1" + len(piece).to_bytes(2) + piece if framed else piece)
            assert len(reader.received) <= MAX_HELLO + 305
