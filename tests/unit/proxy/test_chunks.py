"""The lines before chunks, in any pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.http1.chunks import ChunkLines
from tests.support.memory_proxy import cut
from tests.support.odd_requests import sized_or_chunked

_HEAD = b"Transfer-Encoding: chunked\r\n\r\n"
chunked = sized_or_chunked.filter(lambda body: body.startswith(_HEAD)).map(lambda body: body.removeprefix(_HEAD))
sizes = st.lists(st.integers(1, 60), max_size=8)


def taken(body: bytes, sizes: list[int]) -> tuple[bytes, bytes]:
    """What becomes of the lines and chunks of `body`, and what follows the last chunk."""
    lines = ChunkLines(400, ErrorReason.BAD_REQUEST)
    plain, rest = b"", b""
    for piece in cut(body, sizes):
        if lines.last:
            rest += piece
            continue
        instead = lines.take(piece)
        plain += piece[: lines.end] if instead is None else instead
        rest += piece[lines.end :]
    return plain, rest


def is_refused(body: bytes, sizes: list[int]) -> bool:
    try:
        taken(body, sizes)
    except BadMessage:
        return True
    return False


@given(chunked, sizes)
def test_pieces_make_no_difference(body: bytes, sizes: list[int]) -> None:
    assert b"".join(taken(body, sizes)) == b"".join(taken(body, []))


@given(chunked)
def test_what_is_taken_has_no_extensions_and_the_same_chunks(body: bytes) -> None:
    plain, _ = taken(body, [])
    assert taken(plain, [])[0] == plain
    while (size := int(plain.partition(b"\r\n")[0], 16)) > 0:
        _, _, plain = plain.partition(b"\r\n")
        assert plain[:size] in body
        plain = plain[size + 2 :]


def test_plain_chunks_are_left_as_they_are() -> None:
    lines = ChunkLines(400, ErrorReason.BAD_REQUEST)
    assert lines.take(b"5\r\nhello\r\n0\r\n\r\nGET") is None
    assert (lines.end, lines.last) == (15, True)


@given(st.binary(min_size=1, max_size=30), sizes)
def test_noise_is_refused_in_pieces_as_at_once(noise: bytes, sizes: list[int]) -> None:
    body = noise + b"\r\n"
    assert is_refused(body, sizes) == is_refused(body, [])


def test_a_line_that_does_not_end_is_refused_before_it_fills_memory() -> None:
    assert not is_refused(b"5;" + b"x" * 8000, [1000])
    assert is_refused(b"5;" + b"x" * 9000, [1000])
    assert is_refused(b"5;" + b"x" * 9000, [])
