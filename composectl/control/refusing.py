"""What is refused, in JSON: `{"error": ..., "hint": ...}`, and never a traceback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_JSON = "application/json"
_SPEC = "`GET /v1/openapi.json` tells what there is"
_TOLD = {
    HTTPStatus.NOT_FOUND: ("there is no such path", _SPEC),
    HTTPStatus.METHOD_NOT_ALLOWED: ("this path takes another method", _SPEC),
    HTTPStatus.REQUEST_TIMEOUT: ("the body did not come in time", ""),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("the body is too large", ""),
    HTTPStatus.EXPECTATION_FAILED: ("`Expect` can ask for 100-continue, and nothing else", ""),
}


def refuse(kind: type[web.HTTPError], error: str, hint: str = "") -> web.HTTPError:
    """The refusal, to be raised."""
    return kind(text=json.dumps({"error": error, "hint": hint}), content_type=_JSON)


@web.middleware
async def in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Has what aiohttp refuses say so in JSON, too; a fault of our own is told to the loop, and a 500."""
    try:
        return await handler(request)
    except web.HTTPError as refused:
        return answer(refused)
    except ConnectionError:
        raise
    except Exception as fault:
        asyncio.get_running_loop().call_exception_handler({"message": "a fault in composectl", "exception": fault})
        if request.writer.output_size:
            raise ConnectionAbortedError("an answer has begun already") from fault
        return answer(refuse(web.HTTPInternalServerError, f"it failed: {fault!r}"))


def answer(refused: web.HTTPError) -> web.Response:
    """What the client gets."""
    status = HTTPStatus(refused.status)
    error, hint = _TOLD.get(status, (status.phrase.lower(), ""))
    text = refused.text if refused.content_type == _JSON else json.dumps({"error": error, "hint": hint})
    headers = {"Allow": refused.headers["Allow"]} if "Allow" in refused.headers else {}
    return web.Response(status=status, text=text, content_type=_JSON, headers=headers)


def cut(request: web.Request) -> None:
    """Let a client go that does not take what it is sent."""
    if request.transport is not None:
        request.transport.abort()
