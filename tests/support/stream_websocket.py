"""WebSockets over HTTP/2: the client's end on h2 and wsproto, and the server Hypercorn as a backend."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from tests.support.backends import ScriptedBackend
from tests.support.http2_client import Heard, Http2Client
from tests.support.raw_http import PATIENCE

CONNECT = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"http"),
    (b":path", b"/chat?room=1"),
    (b":authority", b"shop.test"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-protocol", b"chat"),
    (b"origin", b"https://shop.test"),
]


class StreamWebSocket:
    """A WebSocket in a stream of `client`; wsproto reads what comes, and judges that."""

    def __init__(self, client: Http2Client, stream_id: int) -> None:
        self.client = client
        self.stream_id = stream_id
        self.heard = client.heard[stream_id]
        self._frames = Connection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        self._message: list[str | bytes] = []
        self._read = 0

    async def send(self, event: Event) -> None:
        data = self._frames.send(event)
        connection = self.client.connection
        while data:
            room = min(connection.local_flow_control_window(self.stream_id), connection.max_outbound_frame_size)
            if room:
                connection.send_data(self.stream_id, data[:room])
                data = data[room:]
                await self.client.flush()
            else:
                await self.client.read()

    async def receive(self) -> Event:
        while not self._events:
            if self._read == len(self.heard.body):
                assert not self.heard.ended, "the stream has ended"
                await self.client.read()
            self._frames.receive_data(bytes(self.heard.body[self._read :]))
            self._read = len(self.heard.body)
            self._events += self._frames.events()
        return self._events.pop(0)

    async def said_back(self, message: str | bytes) -> str | bytes:
        """What a message comes back as."""
        text = isinstance(message, str)
        await self.send(TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message))
        pieces: list[Any] = []
        while True:
            event = await self.receive()
            assert isinstance(event, TextMessage | BytesMessage)
            pieces.append(event.data)
            if event.message_finished:
                return "".join(pieces) if text else b"".join(map(bytes, pieces))

    async def close(self, code: int) -> int:
        """Say goodbye; the code that comes back, once the stream has ended."""
        await self.send(CloseConnection(code=code, reason="bye"))
        event = await self.receive()
        assert isinstance(event, CloseConnection)
        if not self.heard.ended and self.heard.reset is None:
            self.client.connection.end_stream(self.stream_id)
            await self.client.flush()
        await self.client.until_over(self.stream_id)
        return event.code

    async def ping(self) -> bytes:
        await self.send(Ping(payload=b"there?"))
        event = await self.receive()
        assert isinstance(event, Pong)
        return bytes(event.payload)


async def open_websocket(client: Http2Client, fields: list[tuple[bytes, bytes]] | None = None) -> StreamWebSocket:
    """A WebSocket whose handshake has succeeded."""
    socket = StreamWebSocket(client, await client.open(fields or CONNECT))
    assert (await head_of(client, socket.stream_id)).status == 200, socket.heard
    return socket


async def head_of(client: Http2Client, stream_id: int) -> Heard:
    heard = client.heard[stream_id]
    while not heard.fields and not heard.ended and heard.reset is None:
        await client.read()
    return heard


@asynccontextmanager
async def hypercorn(backend: ScriptedBackend) -> AsyncIterator[list[dict[str, Any]]]:
    """While entered, Hypercorn serves there by HTTP/2 with WebSockets that echo; gives the scopes of its requests."""
    scopes: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        scopes.append(scope)
        if scope["type"] != "websocket":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"plain"})
            return
        await receive()
        if scope["path"] == "/forbidden":
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept", "subprotocol": "chat"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})

    server = _Server(application, backend.hand_over().detach())
    server.start()
    try:
        yield scopes
    finally:
        await asyncio.to_thread(server.close)


# Private


class _Server(threading.Thread):
    """Hypercorn in a loop of its own, on this listening socket; how it ends is its own matter."""

    def __init__(self, application: Any, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._application = application
        self._config = Config()
        self._config.bind = [f"fd://{descriptor}"]
        self._config.loglevel = "CRITICAL"
        self._config.graceful_timeout = 0.1
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda loop, context: None)

    def run(self) -> None:
        forever = asyncio.Event()
        with contextlib.suppress(Exception, asyncio.CancelledError):
            self._loop.run_until_complete(serve(self._application, self._config, shutdown_trigger=forever.wait))  # type: ignore[arg-type]

    def close(self) -> None:
        # In order, it would wait for connections to end, since Python 3.12.
        self._loop.call_soon_threadsafe(self._cancel_all)
        self.join(PATIENCE)
        self._loop.close()

    def _cancel_all(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
