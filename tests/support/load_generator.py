"""A load of every kind that remembers what became of each request.

Half of the workers keep their connections, the others take a fresh one each time; every third request is a POST with
an id of its own. Beside them go a stream of server-sent events, a WebSocket, and whatever slow requests a story asks
for. Nothing is ever sent twice, so that what is lost shows.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.support.http_client import Answer

PATIENCE = 60.0
_WORKERS = 16
_GOING_AWAY = 1001
_OTHER_ENDS = (ConnectionClosed, OSError, EOFError)


class Unanswered(ConnectionError):
    """The connection was refused, or ended before a byte of an answer."""


@dataclass(frozen=True, slots=True)
class RequestLog:
    """What became of one request: `trouble` is "" where it was answered whole and well; times in epoch seconds.

    `service` names itself in the answer, `backend` is named by composectl; `late` is how much longer it took than it
    asked for, up to the moment when it was `answered`.
    """

    method: str
    id: str
    sent: float
    answered: float
    late: float
    trouble: str
    service: str
    backend: str


class LoadGenerator:
    """Requests at a steady rate for as long as the `with` block lasts, and until there were `at_least` so many.

    Each asks to be answered after so many `seconds`.
    `enter` is called first by the thread that sends them, to be where the clients are.
    """

    def __init__(
        self,
        port: int,
        per_second: int = 200,
        at_least: int = 0,
        streams: bool = True,
        seconds: float = 0.0,
        is_whole: Callable[[str, str], bool] = lambda method, text: True,
        host: str = "localhost",
        enter: Callable[[], object] = lambda: None,
    ) -> None:
        self.fates: list[RequestLog] = []
        self.cut: list[str] = []  # streams that did not end well
        self.messages = 0  # events and echoes
        # The first request that is refused ends the load. Beside a refused connection, that is one which ends without a
        # byte of an answer, or 503: clients that connect while a server ends may meet either.
        self.may_be_refused = False
        self.refused: list[str] = []  # the ids of such requests; the service must not have executed them
        self._address = (host, port)
        self._enter = enter
        self._pause = _WORKERS / per_second
        self._at_least = at_least
        self._are_enough = threading.Event()
        self._streams = streams
        self._seconds = seconds
        self._is_whole = is_whole
        self._ids = count(1)
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="load")
        self._work: list[Future[None]] = []

    def __enter__(self) -> LoadGenerator:
        self._thread.start()
        for number in range(_WORKERS):
            self._go(self._send_steadily(keep=number % 2 == 0, delay=self._pause * number / _WORKERS))
        if self._streams:
            self._go(self._listen_to_events())
            self._go(self._talk())
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                self._are_enough.wait()
            self._loop.call_soon_threadsafe(self._stop.set)
            for work in self._work:
                work.result(PATIENCE)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def ask_slowly(self, requests: int, seconds: float, method: str = "GET") -> None:
        """Send so many requests at once that are answered after so many seconds."""
        for _ in range(requests):
            self._go(self._ask_alone(method, seconds))

    # What there is to tell

    @property
    def failed(self) -> list[RequestLog]:
        return [fate for fate in self.fates if fate.trouble]

    @property
    def backends(self) -> list[str]:
        """Those that answered, in the order of their answers."""
        return [fate.backend for fate in self.fates if fate.backend]

    @property
    def posted(self) -> list[str]:
        """The ids of the POSTs that were answered well."""
        return [fate.id for fate in self.fates if fate.method == "POST" and not fate.trouble]

    @property
    def longest_wait(self) -> float:
        """Seconds beyond what was asked for, of those that were answered."""
        return max((fate.late for fate in self.fates if not fate.trouble), default=0.0)

    def since(self, moment: float) -> Iterator[RequestLog]:
        """Of the requests sent after this epoch second."""
        return (fate for fate in self.fates if fate.sent > moment)

    # Private

    def _run(self) -> None:
        self._enter()
        self._loop.run_forever()

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        self._work.append(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _send_steadily(self, *, keep: bool, delay: float) -> None:
        line, due = _Line(*self._address), time.monotonic() + delay
        turn = count()
        while not await self._is_over(due - time.monotonic()):
            await self._ask(line, "GET" if next(turn) % 3 else "POST", self._seconds)
            if not keep:
                line.close()
            due = max(due + self._pause, time.monotonic() - self._pause)
        line.close()

    async def _ask_alone(self, method: str, seconds: float) -> None:
        line = _Line(*self._address)
        await self._ask(line, method, seconds)
        line.close()

    async def _ask(self, line: _Line, method: str, seconds: float = 0.0) -> None:
        id = f"{next(self._ids)}"  # noqa: A001
        sent, began = time.time(), time.monotonic()
        service = backend = ""
        try:
            async with asyncio.timeout(PATIENCE):
                status, text, backend = await line.ask(method, id, seconds)
                service = text.strip()
                trouble = "" if status == 200 and self._is_whole(method, text) else f"{status} {service}"
                if status == 503 and self._is_at_the_end(Unanswered(trouble)):
                    self.refused.append(id)
                    return
        except _OTHER_ENDS as error:
            line.close()
            if self._is_at_the_end(error):
                self.refused.append(id)
                return
            trouble = repr(error)
        late = time.monotonic() - began - seconds
        self.fates.append(RequestLog(method, id, sent, time.time(), late, trouble, service, backend))
        if len(self.fates) >= self._at_least:
            self._are_enough.set()

    async def _listen_to_events(self) -> None:
        while not self._stop.is_set():
            line = _Line(*self._address)
            try:
                async for _ in line.events(self._stop):
                    self.messages += 1
            except _OTHER_ENDS as error:
                if not self._is_at_the_end(error):
                    self.cut.append(f"events: {error!r}")
                    await self._is_over(0.1)
            line.close()

    async def _talk(self) -> None:
        url = "ws://{}:{}/ws".format(*self._address)
        while not self._stop.is_set():
            try:
                async with connect(url, compression=None, proxy=None) as socket:
                    while not await self._is_over(0.1):
                        await socket.send("hello")
                        assert await socket.recv() == "hello"
                        self.messages += 1
            except ConnectionClosed as closed:
                if closed.rcvd is None or closed.rcvd.code != _GOING_AWAY:
                    self.cut.append(f"websocket: {closed!r}")
            except (OSError, EOFError, InvalidHandshake) as error:
                if not self._is_at_the_end(error):
                    self.cut.append(f"websocket: {error!r}")
                    await self._is_over(0.1)

    def _is_at_the_end(self, error: Exception) -> bool:
        """Whether it says that the service is no longer there, as it may."""
        if not (self.may_be_refused and isinstance(error, Unanswered | InvalidHandshake | ConnectionRefusedError)):
            return False
        self._stop.set()
        self._are_enough.set()
        return True

    async def _is_over(self, seconds: float) -> bool:
        """Wait so long; whether the load is to stop."""
        try:
            await asyncio.wait_for(self._stop.wait(), max(0.0, seconds))
        except TimeoutError:
            return False
        return True


def echo_load(port: int, per_second: int) -> LoadGenerator:
    """Requests to the echo service alone; an answer that is not all that it says is a failed one."""

    def is_whole(method: str, text: str) -> bool:
        return Answer(200, {}, text).is_whole and (method == "GET" or text.endswith("a body"))

    return LoadGenerator(port, per_second, streams=False, is_whole=is_whole)


# Private


class _Line:
    """One connection at a time, made when it is needed."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader

    async def ask(self, method: str, id: str, seconds: float) -> tuple[int, str, str]:  # noqa: A002
        """The status, what was said, and by which backend."""
        slowly = f"&sleep={seconds}" if seconds else ""
        fields, body = ("Content-Length: 6\r\n", "a body") if method == "POST" else ("", "")
        target = f"/?id={id}{slowly}" if method == "POST" else f"/?{slowly}"
        status, heard = await self._head_for(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{body}")
        said = (await self._body(heard)).decode()
        if heard.get("connection") == "close":
            self.close()
        return status, said, heard.get("x-internal-service", "")

    async def events(self, stop: asyncio.Event) -> AsyncIterator[bytes]:
        """Each event of a stream, until it ends as it should."""
        status, _ = await self._head_for("GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        if status != 200:
            raise Unanswered(f"answered {status}")
        while not stop.is_set() and (size := int(await self._reader.readuntil(b"\r\n"), 16)):
            yield (await self._reader.readexactly(size + 2))[:-2]

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    # Private

    async def _head_for(self, request: str) -> tuple[int, dict[str, str]]:
        """The head of the answer. Raises Unanswered where the connection ends without a byte of one."""
        try:
            await self._send(request)
            return await self._head()
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            raise Unanswered(repr(error)) from error
        except OSError as error:
            raise Unanswered(repr(error)) from error

    async def _send(self, request: str) -> None:
        if self._writer is None or self._reader.at_eof():  # any server may close a connection on which nothing happens
            self.close()
            self._reader, self._writer = await asyncio.open_connection(*self._address)
        self._writer.write(request.encode())

    async def _body(self, heard: dict[str, str]) -> bytes:
        if heard.get("transfer-encoding") != "chunked":
            return await self._reader.readexactly(int(heard["content-length"]))
        chunks = []
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            chunks.append((await self._reader.readexactly(size + 2))[:-2])
        await self._reader.readexactly(2)
        return b"".join(chunks)

    async def _head(self) -> tuple[int, dict[str, str]]:
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines if line)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields}
