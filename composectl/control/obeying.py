"""Orders that come by HTTP: an order in JSON goes in, and how it goes on comes out, line by line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web

from composectl.control.orders import BadOrder
from composectl.control.refusing import Handler, cut, refuse
from composectl.errors import ComposectlError

_MAX_LINES = 1000
_PATIENCE = 10.0  # seconds for a client to take a line
_SPEC = "`GET /v1/openapi.json` tells what it should be"

Progress = Callable[[str], None]
_Order = TypeVar("_Order")


class Obeying:
    """Makes handlers of what obeys orders; an order goes on when the client that gave it leaves."""

    def __init__(self) -> None:
        self._work: set[asyncio.Task[None]] = set()

    def answer(self, parse: Callable[[Any], _Order], obey: Callable[[_Order, Progress], Awaitable[None]]) -> Handler:
        """JSON lines: `{"progress": ...}` as it goes on, then `{"done": true}` or `{"error": ..., "hint": ...}`."""

        async def answer(request: web.Request) -> web.StreamResponse:
            order = _parsed(await request.read(), parse)
            lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            work = asyncio.create_task(_tell(lambda progress: obey(order, progress), lines))
            self._work.add(work)
            work.add_done_callback(self._work.discard)
            return await _relay(request, lines)

        return answer


# Private


async def _tell(work: Callable[[Progress], Awaitable[None]], lines: asyncio.Queue[dict[str, Any]]) -> None:
    def progress(line: str) -> None:
        if lines.qsize() < _MAX_LINES:  # else the client does not read
            lines.put_nowait({"progress": line})

    try:
        await work(progress)
        lines.put_nowait({"done": True})
    except ComposectlError as error:
        lines.put_nowait({"error": error.message, "hint": error.hint, "exit_code": error.exit_code})
    except Exception as error:
        lines.put_nowait({"error": f"it failed: {error!r}", "hint": "", "exit_code": 1})
        raise


async def _relay(request: web.Request, lines: asyncio.Queue[dict[str, Any]]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
    await response.prepare(request)
    line: dict[str, Any] = {"progress": ""}
    try:
        while "progress" in line:
            line = await lines.get()
            async with asyncio.timeout(_PATIENCE):
                await response.write(json.dumps(line).encode() + b"\n")
    except TimeoutError:
        cut(request)
    return response


def _parsed(body: bytes, parse: Callable[[Any], _Order]) -> _Order:
    try:
        return parse(json.loads(body))
    except BadOrder as bad:
        raise refuse(web.HTTPBadRequest, f"`{bad}` is missing, or not what it should be", _SPEC) from None
    except (ValueError, RecursionError):
        raise refuse(web.HTTPBadRequest, "the body is not JSON", _SPEC) from None
