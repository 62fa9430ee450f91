"""Frames of HTTP/2 as no peer would send them: valid ones in any order, and what an attacker makes of them."""

from __future__ import annotations

from hpack import Encoder
from hypothesis import strategies as st

from composectl.proxy.http2 import frames
from tests.support.http2_client import GET, POST

Fields = list[tuple[bytes, bytes]]

segments = st.lists(st.sampled_from([1, 2, 3, 9, 10, 50, 400]), max_size=4)
_streams = st.sampled_from([0, 1, 1, 1, 3, 3, 5, 2, 2**31 - 1])
_WEBSOCKET = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]]
_EXTRAS = [
    *((b"content-length", b"4"), (b"cookie", b"a=b"), (b"te", b"trailers"), (b"host", b"shop.test"), (b"x-a", b"")),
    *((b"expect", b"100-continue"), (b"content-type", b"application/grpc"), (b"connection", b"close"), (b"X", b"y")),
    *((b"a", b"b\r\nc: d"), (b":path", b"/again"), (b"transfer-encoding", b"chunked"), (b"upgrade", b"h2c")),
]
_RESPONSES: list[Fields] = [
    *([(b":status", b"200")], [(b":status", b"204")], [(b":status", b"103")], [(b":status", b"100")]),
    *([(b":status", b"101")], [(b":status", b"503")], [(b":status", b"20")], [(b"x", b"y")]),
]


def _headers(heads: list[Fields]) -> st.SearchStrategy[bytes]:
    """HEADERS of one of these heads, with any further fields; the tables stay as they are."""
    flags = st.sampled_from([frames.END_HEADERS, frames.END_HEADERS | frames.END_STREAM, 0, frames.END_STREAM])
    fields = st.tuples(st.sampled_from(heads), st.lists(st.sampled_from(_EXTRAS), max_size=2))
    return st.builds(
        lambda flag, stream, parts: frames.frame(frames.HEADERS, flag, stream, _block([*parts[0], *parts[1]])),
        *(flags, _streams, fields),
    )


def _block(fields: Fields) -> bytes:
    encoder = Encoder()
    encoder.header_table_size = 0
    return bytes(encoder.encode(fields))


def _of(kind: int, payloads: st.SearchStrategy[bytes], *flags: int) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda flag, stream, payload: frames.frame(kind, flag, stream, payload),
        *(st.sampled_from([0, *flags]), _streams, payloads),
    )


_longs = st.sampled_from(
    [b"\0\0\0\0", b"\0\0\0\1", b"\0\0\0\x08", b"\0\1\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0"]
)
_settings = st.lists(
    st.tuples(st.sampled_from([1, 2, 3, 4, 5, 6, 8, 99]), st.sampled_from([0, 1, 2, 100, 65_535, 2**31 - 1])),
    max_size=3,
).map(lambda pairs: b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs))
_common = [
    _of(frames.DATA, st.binary(max_size=20), frames.END_STREAM, frames.PADDED),
    _of(frames.RST_STREAM, _longs),
    _of(frames.WINDOW_UPDATE, _longs),
    _of(frames.SETTINGS, _settings, frames.ACK),
    _of(frames.PING, st.binary(min_size=7, max_size=8), frames.ACK),
    _of(frames.GOAWAY, st.tuples(_longs, _longs).map(b"".join)),
    _of(frames.PRIORITY, st.binary(min_size=5, max_size=5)),
    _of(frames.CONTINUATION, st.sampled_from([b"", b"\x82", b"\x88"]), frames.END_HEADERS),
    _of(0x77, st.binary(max_size=5)),
]


def _sequences(heads: list[Fields]) -> st.SearchStrategy[bytes]:
    one = st.one_of(_headers(heads), _headers(heads), *_common)
    return st.lists(one, max_size=8).map(b"".join)


of_clients = _sequences([GET, POST, _WEBSOCKET, [(b"x-trailer", b"1")]])
of_backends = _sequences(_RESPONSES)
