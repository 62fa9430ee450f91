"""What a terminal sends, as keys."""

from __future__ import annotations

import pytest

from composectl.screen.keys import KeyDecoder


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"q", ["q"]),
        (b"+-dL/?", ["+", "-", "d", "L", "/", "?"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA\x1bOB", ["up", "down"]),  # application mode
        (b"\x1b[1;5A", ["up"]),  # with Ctrl
        (b"\x1b[5~\x1b[6~\x1b[1~\x1b[4~", ["page up", "page down", "home", "end"]),
        (b"\x1b[H\x1b[F\x1bOH\x1bOF", ["home", "end", "home", "end"]),
        (b"\r\n\x7f\x08\x15", ["enter", "enter", "backspace", "backspace", "clear"]),
        ("äλ漢".encode(), ["ä", "λ", "漢"]),
        (b"\x1b\x1b[A", ["escape", "up"]),
        (b"\x1b[3~\x1b[15~\x1b[C\x1b[D\x1b[Z\x1bOP\x1b[[A", []),  # delete, function keys, sideways, shift-tab
        (b"\x1bd\x1b[<0;3;4M\x1b[200~", []),  # Alt-d, the mouse, and what frames a paste
        (b"\x00\x01\x04\x0c\xff\xfe", []),
    ],
)
def test_keys_come_out_and_nothing_else(sent: bytes, keys: list[str]) -> None:
    assert KeyDecoder().feed(sent) == keys


@pytest.mark.parametrize("sent", [b"\x1b[A", b"\x1bOB", b"\x1b[1;5A", b"\x1b[5~", "漢".encode()])
def test_a_key_may_come_byte_by_byte(sent: bytes) -> None:
    decoder = KeyDecoder()
    assert [key for byte in sent for key in decoder.feed(bytes([byte]))] == KeyDecoder().feed(sent)
    assert not decoder.is_waiting


def test_an_escape_alone_is_a_key_once_nothing_follows() -> None:
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b") == []
    assert decoder.is_waiting
    assert decoder.flush() == ["escape"]
    assert decoder.feed(b"[A") == ["[", "A"]


def test_half_a_sequence_is_dropped_once_nothing_follows() -> None:
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b[1;") == []
    assert decoder.flush() == []
    assert decoder.feed(b"q") == ["q"]


def test_a_sequence_without_an_end_is_not_kept() -> None:
    decoder = KeyDecoder()
    for _ in range(1000):
        assert decoder.feed(b"\x1b[" + b"1" * 1000) == []
    assert not decoder.is_waiting
