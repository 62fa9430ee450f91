"""Streams what containers print, as JSON lines: bounded, at a pace that leaves the loop to the proxy."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Protocol

from aiohttp import web

from composectl.control.commands import InvalidRequest, LogLine, LogsRequest, parse_logs
from composectl.control.http_server import SPEC_HINT, abort, refuse
from composectl.errors import ComposectlError

_MIN_PAUSE, _MAX_PAUSE = 0.5, 3.0  # seconds between two looks
_TIME_SHARE = 0.25  # of the time for looks, up to the longest pause: the engine has other work
_TIMEOUT = 10.0  # seconds for a reader to take what it is sent
_MAX_READERS = 8


class LogSource(Protocol):
    async def new_lines(self) -> Sequence[LogLine]:
        """What was printed since the last call. Raises ComposectlError where there can be none."""


class LogStreams:
    """`open_source` makes what one reader is sent; `answer` is a handler, and its application is to `close` it."""

    def __init__(self, open_source: Callable[[LogsRequest], LogSource], timeout: float = _TIMEOUT) -> None:
        self._open_source = open_source
        self._timeout = timeout
        self._readers = 0
        self._closed = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Send lines until the client leaves, stops reading, or the streams are closed: then the last is `done`."""
        try:
            wanted = parse_logs(request.query)
        except InvalidRequest as invalid:
            raise refuse(web.HTTPBadRequest, f"`{invalid}` is missing or invalid", SPEC_HINT) from None
        if self._readers >= _MAX_READERS:
            raise refuse(web.HTTPServiceUnavailable, f"there are {_MAX_READERS} readers of logs already")
        self._readers += 1
        try:
            return await self._relay(request, self._open_source(wanted))
        finally:
            self._readers -= 1

    async def close(self, _: web.Application | None = None) -> None:
        """Let every reader have what was read, and no more."""
        self._closed.set()

    # Private

    async def _relay(self, request: web.Request, source: LogSource) -> web.StreamResponse:
        began = time.monotonic()
        try:
            lines = await source.new_lines()
        except ComposectlError as error:
            raise refuse(web.HTTPNotFound, error.message, error.hint) from None
        response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
        await response.prepare(request)
        try:
            while not self._closed.is_set() and request.transport is not None:
                await self._send(response, (asdict(line) for line in lines))
                await self._pause(time.monotonic() - began)
                began = time.monotonic()
                lines = await source.new_lines()
            await self._send(response, [*map(asdict, lines), {"done": True}])
        except TimeoutError:
            abort(request)
        return response

    async def _send(self, response: web.StreamResponse, payloads: Iterable[object]) -> None:
        if encoded := b"".join(json.dumps(payload).encode() + b"\n" for payload in payloads):
            async with asyncio.timeout(self._timeout):
                await response.write(encoded)

    async def _pause(self, took: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(_MIN_PAUSE, took / _TIME_SHARE), _MAX_PAUSE)):
                await self._closed.wait()
