"""Requests as no client would write them: valid ones in all forms, and what an attacker makes of them."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

_TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PATH = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "#")
_VISIBLE = bytes(code for code in range(0x21, 0x100) if code != 0x7F)

_methods = st.sampled_from(
    [
        *(b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"PROPFIND", b"M-SEARCH", b"OPTIONS"),
        *(b"LABEL", b"UPDATE", b"VERSION-CONTROL", b"DESCRIBE", b"PRI", b"get", b"#$%&'*+.^_`|~0"),
    ]
)
_paths = st.text(_PATH, max_size=30).map(lambda path: b"/" + path.encode())
_absolute = st.tuples(st.sampled_from([b"http://b", b"HTTP://b:80", b"https://[::1]:1"]), _paths).map(b"".join)
_targets = st.one_of(_paths, _paths, _absolute)
_words = st.lists(st.sampled_from(_VISIBLE), max_size=12).map(bytes)
_values = st.lists(_words, max_size=3).map(b" ".join).map(bytes.strip)
_known_names = st.sampled_from(
    [
        *(b"Cookie", b"Accept", b"X-A", b"x-a", b"X_A", b"Via", b"X-Forwarded-For", b"X-Forwarded-Proto", b"Forwarded"),
        *(
            b"Content_Length",
            b"Keep-Alive",
            b"Proxy-Connection",
            b"X-Internal-Service",
            b"X-Request-ID",
            b"X_Request_ID",
            b"Range",
            b"Authorization",
        ),
    ]
)
_made_up_names = st.text(_TOKEN, min_size=1, max_size=12).map(lambda name: b"X-" + name.encode())
_fields = st.lists(st.tuples(st.one_of(_known_names, _made_up_names), _values), max_size=6)
_connections = st.sampled_from([b"", b"", b"Connection: X-A, Cookie\r\n", b"Connection: TE\r\nTE: trailers\r\n"])
_switches = st.sampled_from([b"", b"", b"", b"Connection: Upgrade\r\nUpgrade: x\r\n", b"Upgrade: h2c\r\n"])
_bodies = st.binary(max_size=60)
_extensions = st.sampled_from(
    [
        *(b"", b"", b"", b";x", b";x=y", b';x="y z"', b";x=y;z"),
        *(b" ;x", b"; x", b";x = y", b'\t; x\t=\t"y; z" ; z', b';x="\\"y"'),
    ]
)
_trailers = st.lists(st.tuples(_made_up_names, _values), max_size=2)


def _lines(fields: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in fields)


@st.composite
def _chunked(draw: st.DrawFn) -> bytes:
    pieces = [draw(_bodies) for _ in range(draw(st.integers(0, 3)))]
    size = draw(st.sampled_from([b"%x", b"%X", b"0%x"]))
    chunks = b"".join(size % len(piece) + draw(_extensions) + b"\r\n" + piece + b"\r\n" for piece in pieces if piece)
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n" + _lines(draw(_trailers)) + b"\r\n"


@st.composite
def _sized(draw: st.DrawFn) -> bytes:
    body = draw(_bodies)
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


sized_or_chunked = st.one_of(_sized(), _chunked())
some_fields = _fields.map(_lines)


@st.composite
def _requests(draw: st.DrawFn) -> bytes:
    head = draw(_methods) + b" " + draw(_targets) + b" HTTP/1.1\r\nHost: a\r\n" + draw(some_fields)
    hops = draw(_connections) or draw(_switches)
    return head + hops + draw(st.one_of(st.just(b"\r\n"), sized_or_chunked))


@st.composite
def _old_requests(draw: st.DrawFn) -> bytes:
    head = draw(_methods) + b" " + draw(_targets) + b" HTTP/1.0\r\nConnection: keep-alive\r\n"
    host = draw(st.sampled_from([b"", b"Host: a\r\n"]))
    return head + host + draw(some_fields) + draw(st.one_of(st.just(b"\r\n"), _sized()))


@st.composite
def _last_requests(draw: st.DrawFn) -> bytes:
    head = draw(_methods) + b" " + draw(_targets) + b" HTTP/1.0\r\n"
    return head + draw(st.one_of(st.just(b"\r\n"), _sized()))


one_request = st.one_of(_requests(), _requests(), _old_requests())
_some_requests = st.lists(one_request, min_size=1, max_size=4).map(b"".join)
pipelines = st.one_of(_some_requests, _last_requests(), st.builds(bytes.__add__, _some_requests, _last_requests()))

_INSERTED = [
    *(
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n\n",
        b"\0",
        b" ",
        b"\t",
        b"\x0b",
        b"\x0c",
        b"\x7f",
        b"\x85",
        b"\xa0",
        b":",
        b";",
    ),
    *(b" HTTP/1.1\r\n", b"\r\n folded", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"0\r\n\r\n", b"Content-Length: 5\r\n"),
    *(b"\r\nContent-Length: 3", b"\r\nTransfer-Encoding: chunked", b"\r\nTransfer-Encoding: identity", b"\r\nHost: b"),
]
_REPLACED = [
    *((b"Host: ", b"Host:"), (b"Host: a", b"Host: a\r\nHost: b"), (b"Host", b"Hos"), (b": ", b" : "), (b": ", b"\t: ")),
    *((b"\r\n", b"\n"), (b"\r\n", b"\r"), (b"\r\n", b"\r\r\n"), (b"\r\n", b"\n\r"), (b"\r\n", b"\r\n ")),
    *((b"HTTP/1.1", b"HTTP/1.0"), (b"HTTP/1.1", b"HTTP/2.0"), (b"HTTP/1.1", b"http/1.1"), (b"HTTP/1.1", b"HTTP/1.10")),
    *((b"Content-Length: ", b"Content-Length: +"), (b"Content-Length: ", b"Content-Length: 0x")),
    *((b"Content-Length: ", b"Content-Length: 1, "), (b"Content-Length: ", b"Content-Length: 1")),
    *((b"Content-Length: ", b"Content-Length : "), (b"Content-Length", b"Content_Length")),
    *(
        (b"chunked", b"xchunked"),
        (b"chunked", b"chunked, chunked"),
        (b"chunked", b"gzip, chunked"),
        (b"chunked", b"Chunked"),
    ),
    *(
        (b"chunked", b"chunked, identity"),
        (b"chunked", b'"chunked"'),
        (b"chunked", b"chunked;x=y"),
        (b"chunked", b"\x0bchunked"),
    ),
    *((b"0\r\n", b"-0\r\n"), (b"0\r\n", b"0x0\r\n"), (b"0\r\n", b"0 \r\n"), (b"0\r\n", b"00000000000000000\r\n")),
    *((b"0\r\n\r\n", b"0\r\n"), (b"0\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n"), (b";x", b";\n"), (b";x", b" ;x")),
]
Mutation = Callable[[bytes], bytes]


@st.composite
def _mutations(draw: st.DrawFn) -> Mutation:
    at = draw(st.integers(0, 400))
    count = draw(st.integers(0, 8))
    inserted = draw(st.sampled_from(_INSERTED))
    old, new = draw(st.sampled_from(_REPLACED))
    where = draw(st.integers(0, 5))
    ways: list[Mutation] = [
        lambda data: data[: at % (len(data) + 1)] + inserted + data[at % (len(data) + 1) :],
        lambda data: data[:at] + data[at + count :],
        lambda data: data[:at] + data[at : at + count] + data[at:],
        lambda data: _replace_one(data, old, new, where),
        lambda data: _replace_one(data, old, new, where),
    ]
    return draw(st.sampled_from(ways))


def _replace_one(data: bytes, old: bytes, new: bytes, where: int) -> bytes:
    pieces = data.split(old)
    if len(pieces) == 1:
        return data
    turn = 1 + where % (len(pieces) - 1)
    return old.join(pieces[:turn]) + new + old.join(pieces[turn:])


@st.composite
def mutated(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """What is valid, with one to three things wrong."""
    data = draw(valid)
    for mutate in draw(st.lists(_mutations(), min_size=1, max_size=3)):
        data = mutate(data)
    return data


attacks = mutated(pipelines)
segments: st.SearchStrategy[list[int]] = st.one_of(
    st.just([]), st.just([1]), st.lists(st.integers(1, 60), min_size=1, max_size=8)
)
