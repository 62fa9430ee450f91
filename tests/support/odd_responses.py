"""Responses as hardly a server would write them: valid ones in all forms, and what a hostile one makes of them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.judge_responses import CLIENTS, Part
from tests.support.memory_proxy import cut
from tests.support.odd_requests import mutated, segments, sized_or_chunked, some_fields

_statuses = st.sampled_from([200, 200, 201, 204, 206, 301, 304, 404, 418, 500, 503, 599])
_reasons = st.sampled_from([b"OK", b"", b"Not Found", b"\xfcber gut", b"a\tb"])
_interims = st.sampled_from(
    [b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 2]
)
_hops = st.sampled_from([b"", b"", b"Connection: X-A\r\n", b"Keep-Alive: timeout=5\r\n", b"Date: today\r\n"])
_BODILESS = (204, 304)

clients = st.sampled_from(list(CLIENTS.values()))


@st.composite
def responses(draw: st.DrawFn) -> Part:
    """What one connection says: a valid response to any of `clients` but one of HEAD, and how it ends."""
    status = draw(_statuses)
    last = draw(st.booleans())
    head = draw(_interims) + b"HTTP/1.%d %d %b\r\n" % (draw(st.integers(0, 1)) if last else 1, status, draw(_reasons))
    head += draw(some_fields) + draw(_hops)
    if status in _BODILESS:
        said = head + b"\r\n"
    elif last and draw(st.booleans()):
        said = head + b"\r\n" + draw(st.binary(max_size=60))
    else:
        said = head + (b"Connection: close\r\n" if last else b"") + draw(sized_or_chunked)
    return Part(cut(said, draw(segments)), "in order" if last else draw(st.sampled_from(["", "in order"])))


@st.composite
def hostilities(draw: st.DrawFn) -> Part:
    """A response with one to three things wrong, cut off somewhere, or nothing but noise."""
    said = b"".join(draw(responses()).segments)
    said = draw(st.one_of(mutated(st.just(said)), st.just(said), st.binary(max_size=100)))
    said = said[: draw(st.integers(0, len(said)))] if draw(st.booleans()) else said
    return Part(cut(said, draw(segments)), draw(st.sampled_from(["", "in order", "by a reset"])))
