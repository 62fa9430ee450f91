"""Whatever a client or a backend of HTTP/2 says: what the proxy says then must be HTTP/2, as h2 and hpack read it.

All is played in memory. Bytes of a client are sent behind the preface and its SETTINGS, those of a backend behind its
SETTINGS; the other side is the library h2, which raises ProtocolError where the proxy breaks the protocol.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import h2.config
import h2.connection
import h2.events
from h2.exceptions import StreamClosedError, StreamIDTooLowError
from hpack import Decoder

from composectl.proxy.http2 import frames
from tests.support.http2_client import GET, POST
from tests.support.memory_network import MemoryTransport
from tests.support.memory_proxy import LOOP, MemoryProxy, cut, run, sizes_of

_SETTINGS = frames.settings()
_ANSWER = [(b":status", b"200"), (b"content-type", b"text/plain")]


def judge_client(said: bytes, sizes: Sequence[int]) -> None:
    """A client says this, in segments of these sizes; backends answer every request. Raises AssertionError."""

    async def play() -> None:
        stage = MemoryProxy(LOOP, _serve)
        await stage.send(cut(frames.PREFACE + _SETTINGS + said, sizes), in_haste=True)
        check_frames(bytes(stage.received))
        await stage.leave()

    run(play())


def judge_backend(said: bytes, sizes: Sequence[int]) -> None:
    """A backend says this to a GET and a POST, each of which must get a response, or a reset, or wait on."""

    async def play() -> None:
        stage = MemoryProxy(LOOP, lambda transport: _speak(transport, cut(_SETTINGS + said, sizes)))
        client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        client.initiate_connection()
        client.send_headers(1, GET, end_stream=True)
        client.send_headers(3, POST)
        client.send_data(3, b"body", end_stream=True)
        await stage.send([client.data_to_send()], in_haste=False)
        client.receive_data(bytes(stage.received))
        check_frames(bytes(stage.received))
        await stage.leave()

    run(play())


def judge_client_blindly(data: bytes) -> None:
    """As `judge_client`; the first byte chooses the segments."""
    judge_client(data[1:], sizes_of(data[:1]))


def judge_backend_blindly(data: bytes) -> None:
    """As `judge_backend`; the first byte chooses the segments."""
    judge_backend(data[1:], sizes_of(data[:1]))


def check_frames(said: bytes) -> None:
    """Whole frames of a server: readable blocks, nothing in a stream behind its end, data within the first windows."""
    decoder, ended, window = Decoder(), set[int](), 65_535
    at = 0
    while at < len(said):
        size, kind, flags = int.from_bytes(said[at : at + 3], "big"), said[at + 3], said[at + 4]
        stream_id = frames.read_long(said, at + 5)
        payload = said[at + frames.HEADER_SIZE : at + frames.HEADER_SIZE + size]
        assert len(payload) == size <= frames.MAX_FRAME, "a frame is cut off or too large"
        at += frames.HEADER_SIZE + size
        if kind == frames.HEADERS:
            assert flags & frames.END_HEADERS
            assert stream_id not in ended, "HEADERS behind the end"
            _check_fields(list(decoder.decode(payload, raw=True)))
        elif kind == frames.DATA:
            assert stream_id not in ended, "DATA behind the end"
            window -= size
        elif kind == frames.RST_STREAM:
            ended.add(stream_id)
        if kind in (frames.HEADERS, frames.DATA) and flags & frames.END_STREAM:
            ended.add(stream_id)


# Private


def _check_fields(fields: Sequence[tuple[bytes, bytes]]) -> None:
    assert all(name == name.lower() for name, _ in fields)
    assert not any(b"\r" in value or b"\n" in value or b"\0" in value for _, value in fields)
    pseudo = [name for name, _ in fields if name.startswith(b":")]
    assert pseudo in ([b":status"], []), "a response has no pseudo-header but the status"


def _serve(transport: MemoryTransport) -> None:
    """A backend that answers every whole request, and judges what it hears."""
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
    server.initiate_connection()

    def hear(data: bytes) -> None:
        for event in server.receive_data(data):
            with contextlib.suppress(StreamClosedError, StreamIDTooLowError):  # what came with it has reset the stream
                _answer(server, event)
        _say(transport, server.data_to_send())

    transport.listen(hear)
    _say(transport, server.data_to_send())


def _answer(server: h2.connection.H2Connection, event: h2.events.Event) -> None:
    if isinstance(event, h2.events.DataReceived):
        server.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
    elif isinstance(event, h2.events.StreamEnded):
        server.send_headers(event.stream_id or 0, _ANSWER)
        server.send_data(event.stream_id or 0, b"ok", end_stream=True)


def _speak(transport: MemoryTransport, segments: Sequence[bytes]) -> None:
    """A backend that says these segments, whatever it hears."""
    transport.listen(lambda data: None)
    for segment in segments:
        _say(transport, segment)


def _say(transport: MemoryTransport, data: bytes) -> None:
    if data:
        transport.later(data)


JUDGES: dict[str, Callable[[bytes], None]] = {
    "http2_clients": judge_client_blindly,
    "http2_backends": judge_backend_blindly,
}
