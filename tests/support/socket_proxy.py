"""Stands between composectl and the engine, so that what they say can be cut or held back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

_PIECE = 65536


class SocketProxy:
    """The engine behind another socket, in the folder given; `url` is what DOCKER_HOST may say."""

    def __init__(self, engine: Path, folder: Path) -> None:
        self.url = f"unix://{folder}/relay.sock"
        self._engine = engine
        self._path = folder / "relay.sock"
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._server = self._loop.run_until_complete(asyncio.start_unix_server(self._serve, self._path))
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay")
        self._thread.start()

    def cut(self) -> None:
        """Cut all connections that there are."""
        self._do(self._abort)

    def mute(self) -> None:
        """Let nothing through from now on, in either direction."""
        self._do(self._is_open.clear)

    def go_on(self) -> None:
        """Let through what was held back, and all that follows."""
        self._do(self._is_open.set)

    def close(self) -> None:
        """Cut all, and be gone."""
        self._do(self._server.close)
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._end_all())
        self._loop.close()

    # Private

    def _do(self, what: Callable[[], None]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (what(), done.set()))
        assert done.wait(10)

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._engine)
        both = {writer, back}
        self._writers |= both
        try:
            await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))
        finally:
            self._writers -= both
            for stream in both:
                stream.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE):
                await self._is_open.wait()
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.transport.abort()

    async def _end_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
