"""What another terminal may ask a running composectl for, as it goes over the socket: pure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from aiohttp import web

from composectl.balance.plan import MAX_REPLICAS
from composectl.control.http_server import Handler, cut, refuse
from composectl.errors import ComposectlError

_MAX_LINES = 1000
_PATIENCE = 10.0  # seconds for a client to take a line
_SPEC = "`GET /v1/openapi.json` tells what it should be"
Progress = Callable[[str], None]
_Order = TypeVar("_Order")


class BadOrder(ValueError):
    """What came is not such an order."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """New replicas for old ones of `services`, made from the project `rendered`.

    `parallel`: how many more than wanted may be there. `pause_seconds`: how long a new replica is watched before an old
    one leaves. `ready_seconds`: how long it may take to be ready. `only_changed`: not for a service that is as it was.
    `canary`: go no further than one new replica with this share of the requests, between 0 and 1, of the only service.
    """

    services: tuple[str, ...]
    rendered: str
    parallel: int = 1
    pause_seconds: float = 5.0
    ready_seconds: float = 60.0
    only_changed: bool = False
    canary: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The inverse of `parse_rollout`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the canary of a service: its rollout goes on, or it is taken back."""

    service: str
    goes_on: bool

    def as_json(self) -> dict[str, Any]:
        """The inverse of `parse_verdict`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Place:
    """One backend of a service, by its number."""

    service: str
    number: int

    def as_json(self) -> dict[str, Any]:
        """The inverse of `parse_place`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many replicas of which service; `oldest_first`: who leaves, in place of the highest numbers."""

    wanted: Mapping[str, int]
    oldest_first: bool = False

    def as_json(self) -> dict[str, Any]:
        """The inverse of `parse_scaling`."""
        return asdict(self)


def parse_rollout(told: Any) -> Rollout:
    """A rollout in JSON. Raises BadOrder."""
    services = _take(told, "services", _are_names)
    return Rollout(
        services=tuple(services),
        rendered=_take(told, "rendered", _is_text),
        parallel=_take(told, "parallel", _is_number_from_1),
        pause_seconds=float(_take(told, "pause_seconds", _is_time)),
        ready_seconds=float(_take(told, "ready_seconds", _is_time)),
        only_changed=_take(told, "only_changed", _is_bool),
        canary=_take(told, "canary", _is_share if len(services) == 1 else _is_nothing),
    )


def parse_verdict(told: Any) -> Verdict:
    """A verdict in JSON. Raises BadOrder."""
    return Verdict(_take(told, "service", _is_text), _take(told, "goes_on", _is_bool))


def parse_place(told: Any) -> Place:
    """A backend's place in JSON. Raises BadOrder."""
    return Place(_take(told, "service", _is_text), _take(told, "number", _is_count))


def parse_scaling(told: Any) -> Scaling:
    """Services and whole numbers in JSON. Raises BadOrder."""
    return Scaling(_take(told, "wanted", _are_counts), _take(told, "oldest_first", _is_bool))


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


def _take(told: Any, key: str, fits: Callable[[Any], bool]) -> Any:
    if not isinstance(told, dict) or key not in told or not fits(told[key]):
        raise BadOrder(key)
    return told[key]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_nothing(value: Any) -> bool:
    return value is None


def _is_share(value: Any) -> bool:
    return value is None or (type(value) is float and 0 < value < 1)


def _is_number_from_1(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < float("inf")


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _are_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_count(count) and count <= MAX_REPLICAS for count in value.values())


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
