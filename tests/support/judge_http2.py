"""Whatever a client or a backend of HTTP/2 says: what the proxy says then must be HTTP/2, as h2 and hpack read it.

All is played in memory. Bytes of a client are sent behind the preface and its SETTINGS, those of a backend behind its
SETTINGS; the other side is the library h2, which raises ProtocolError where the proxy breaks the protocol. All take
part in WebSockets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import h2.config
import h2.connection
import h2.events
from h2.exceptions import StreamClosedError, StreamIDTooLowError
from h2.settings import SettingCodes, Settings
from hpack import Decoder

from composectl.proxy.http2 import frames
from tests.support.http2_client import GET, POST
from tests.support.memory_network import MemoryTransport
from tests.support.memory_proxy import LOOP, MemoryProxy, cut, run, sizes_of

_SETTINGS = frames.settings()
_OFFER = frames.settings((frames.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1))
_WEBSOCKET = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]]
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
    """A backend says this to a GET, a POST and a WebSocket; each must get a response, or a reset, or wait on."""

    async def play() -> None:
        stage = MemoryProxy(LOOP, lambda transport: _speak(transport, cut(_OFFER + said, sizes)))
        client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        client.initiate_connection()
        client.send_headers(1, GET, end_stream=True)
        client.send_headers(3, POST)
        client.send_data(3, b"body", end_stream=True)
        client.send_headers(5, _WEBSOCKET)
        client.send_data(5, b"frames")
        await stage.send([client.data_to_send()], in_haste=False)
        client.receive_data(bytes(stage.received))
        check_frames(bytes(stage.received))
        await stage.leave()

    run(play())


def answers_of(bodies: Sequence[bytes | None], sizes: Sequence[int]) -> list[tuple[int, bytes]]:
    """The status and the body that each request gets, where all are sent at once in segments of these sizes.

    A GET stands for a body that is None, a POST for others.
    """
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    client.initiate_connection()
    for number, body in enumerate(bodies):
        client.send_headers(2 * number + 1, GET if body is None else POST, end_stream=body is None)
        if body is not None:
            client.send_data(2 * number + 1, body, end_stream=True)
    heard: dict[int, tuple[int, bytes]] = {}

    async def play() -> None:
        stage = MemoryProxy(LOOP, _serve)
        await stage.send(cut(client.data_to_send(), sizes), in_haste=True)
        for event in client.receive_data(bytes(stage.received)):
            if isinstance(event, h2.events.ResponseReceived):
                heard[event.stream_id or 0] = int(dict(event.headers or ())[b":status"]), b""
            elif isinstance(event, h2.events.DataReceived):
                status, body = heard[event.stream_id or 0]
                heard[event.stream_id or 0] = status, body + (event.data or b"")
        await stage.leave()

    run(play())
    return [heard[2 * number + 1] for number in range(len(bodies))]


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
    """A backend that answers every whole request, echoes in WebSockets, and judges what it hears."""
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
    offer = {SettingCodes.ENABLE_CONNECT_PROTOCOL: 1}
    server.local_settings = Settings(client=False, initial_values=offer)
    tunnels: set[int] = set()
    server.initiate_connection()

    def hear(data: bytes) -> None:
        for event in server.receive_data(data):
            with contextlib.suppress(StreamClosedError, StreamIDTooLowError):  # what came with it has reset the stream
                _answer(server, event, tunnels)
        _say(transport, server.data_to_send())

    transport.listen(hear)
    _say(transport, server.data_to_send())


def _answer(server: h2.connection.H2Connection, event: h2.events.Event, tunnels: set[int]) -> None:
    if isinstance(event, h2.events.RequestReceived) and dict(event.headers or ()).get(b":protocol"):
        tunnels.add(event.stream_id or 0)
        server.send_headers(event.stream_id or 0, _ANSWER)
    elif isinstance(event, h2.events.DataReceived):
        server.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        if event.stream_id in tunnels and event.data:
            server.send_data(event.stream_id, event.data)
    elif isinstance(event, h2.events.StreamEnded) and event.stream_id in tunnels:
        server.end_stream(event.stream_id)
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
