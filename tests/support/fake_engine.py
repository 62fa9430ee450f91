"""A Docker Engine of paper: its HTTP API on a unix socket, with the faults that a real one shows too rarely."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from composectl.engine.containers import NUMBER, ONE_OFF, PROJECT, SERVICE
from composectl.engine.endpoint import Endpoint

STARTED = "2026-01-02T03:04:05.678901234Z"
STARTED_NS = 1767323045678901234


def container(number: int, **changed: Any) -> dict[str, Any]:
    """The answer of GET /containers/{id}/json for a running replica of service `echo` of project `shop`."""
    labels = {PROJECT: "shop", SERVICE: "echo", NUMBER: str(number), ONE_OFF: "False"}
    return {
        "Id": f"{number:064x}",
        "Name": f"/shop-echo-{number}",
        "State": {"Status": "running", "StartedAt": STARTED, "ExitCode": 0} | changed.pop("State", {}),
        "Config": {"Labels": labels | changed.pop("Labels", {}), "Tty": False} | changed.pop("Config", {}),
        "NetworkSettings": {"Networks": {"shop_default": {"IPAddress": f"10.0.0.{number}"}}},
    } | changed


def event(action: str, number: int = 1, **attributes: str) -> dict[str, Any]:
    """A container's event in the stream of GET /events, one second after every container's start."""
    return {
        "Type": "container",
        "Action": action,
        "Actor": {"ID": f"{number:064x}", "Attributes": {PROJECT: "shop"} | attributes},
        "time": STARTED_NS // 10**9 + 1,
        "timeNano": STARTED_NS + 10**9,
    }


def disconnect(number: int = 1, network: str = "n1") -> dict[str, Any]:
    """The event of a container that left a network, two seconds after every container's start."""
    return {
        "Type": "network",
        "Action": "disconnect",
        "Actor": {"ID": network, "Attributes": {"container": f"{number:064x}", "name": "shop_default"}},
        "time": STARTED_NS // 10**9 + 2,
        "timeNano": STARTED_NS + 2 * 10**9,
    }


def at(number: int, endpoint: str, network: str = "n1") -> dict[str, Any]:
    """The running container with a place of its own on a network."""
    place = {"IPAddress": f"10.0.0.{number}", "NetworkID": network, "EndpointID": endpoint}
    return container(number, NetworkSettings={"Networks": {"shop_default": place}})


class FakeEngine:
    """What it holds is in `containers`; `asked` tells what was asked of it, in order."""

    def __init__(self, socket: Path) -> None:
        self.endpoint = Endpoint(f"unix://{socket}")
        self.containers: dict[str, dict[str, Any]] = {}
        self.vanished: set[str] = set()  # listed, and removed before anyone can inspect them
        self.broken: set[str] = set()  # of "list" and "events": answered with 500
        self.mute: set[str] = set()  # of the same: never answered
        self.slow_removal = 0.0  # seconds
        self.api = "1.41"
        self.ports: list[dict[str, Any]] = []
        self.bridge_addresses: list[str] = []
        self.info: dict[str, Any] = {}
        self.log = b""
        self.asked: list[str] = []
        self.since: list[str] = []
        self._socket = socket
        self._streams: dict[web.StreamResponse, asyncio.Event] = {}
        self._asked = asyncio.Condition()

    def run(self, *containers: dict[str, Any]) -> None:
        """Hold these containers, and no others."""
        self.containers = {inspect["Id"]: inspect for inspect in containers}

    async def say(self, *events: dict[str, Any]) -> None:
        """Send events to all that listen."""
        await self.write(b"".join(json.dumps(sent).encode() + b"\n" for sent in events))

    async def write(self, text: bytes) -> None:
        """Send bytes to all that listen to events."""
        for stream in self._streams:
            await stream.write(text)

    def hang_up(self) -> None:
        """Break off every stream of events."""
        for stream in self._streams:
            transport = stream._req.transport if stream._req else None
            if transport:
                transport.abort()
        self._let_go()

    async def end_streams(self) -> None:
        """End every stream of events as an engine that shuts down does."""
        for stream in self._streams:
            await stream.write_eof()
        self._let_go()

    async def has_been_asked(self, what: str, times: int) -> None:
        """Wait until `what` was asked so often."""
        async with self._asked:
            await self._asked.wait_for(lambda: self.asked.count(what) >= times)

    async def is_asked(self, whats: Collection[str]) -> None:
        """Wait until one of these is asked from now on."""
        before = len(self.asked)
        async with self._asked:
            await self._asked.wait_for(lambda: any(what in whats for what in self.asked[before:]))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[FakeEngine]:
        """Answer at the socket."""
        runner = web.AppRunner(self._app(), shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(self._socket)).start()
        try:
            yield self
        finally:
            self.hang_up()
            await runner.cleanup()

    # Private

    def _let_go(self) -> None:
        for over in self._streams.values():
            over.set()
        self._streams.clear()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._note])
        app.router.add_get("/version", self._version)
        app.router.add_get("/v{api}/networks", self._networks)
        app.router.add_get("/v{api}/info", self._info)
        app.router.add_get("/v{api}/events", self._events)
        app.router.add_get("/v{api}/containers/json", self._list)
        app.router.add_get("/v{api}/containers/{id}/json", self._inspect)
        app.router.add_get("/v{api}/containers/{id}/logs", self._logs)
        app.router.add_post("/v{api}/containers/{id}/stop", self._stop)
        app.router.add_delete("/v{api}/containers/{id}", self._remove)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        async with self._asked:
            self.asked.append(handler.__name__.removeprefix("_"))
            self._asked.notify_all()
        if request.match_info.get("api", self.api) != self.api:
            return _refusal(400, f"the API is {self.api}, not {request.path}")
        if handler.__name__.removeprefix("_") in self.mute:
            await asyncio.Event().wait()
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"Version": "20.10.24", "ApiVersion": self.api, "MinAPIVersion": "1.12"})

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response(self.info)

    async def _networks(self, request: web.Request) -> web.Response:
        configs = [{"Gateway": gateway} for gateway in self.bridge_addresses]
        return web.json_response([{"Driver": "bridge", "IPAM": {"Config": configs}}])

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.since.append(request.query.get("since", ""))
        if "events" in self.broken:
            return _refusal(500, "no events today")
        stream = web.StreamResponse()
        stream.enable_chunked_encoding()
        await stream.prepare(request)
        over = self._streams[stream] = asyncio.Event()
        await over.wait()
        return stream

    async def _list(self, request: web.Request) -> web.Response:
        if "list" in self.broken:
            return _refusal(500, "the list is torn")
        listed = [{"Id": inspect["Id"], "Labels": inspect["Config"]["Labels"]} for inspect in self.containers.values()]
        return web.json_response(listed + self.ports)

    async def _inspect(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name in self.vanished or name not in self.containers:
            return _refusal(404, f"No such container: {name}")
        return web.json_response(self.containers[name])

    async def _logs(self, request: web.Request) -> web.Response:
        return web.Response(body=b"\x01\0\0\0" + len(self.log).to_bytes(4, "big") + self.log)

    async def _stop(self, request: web.Request) -> web.Response:
        return web.Response(status=304) if request.match_info["id"] in self.containers else _refusal(404, "gone")

    async def _remove(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.slow_removal)
        if request.match_info["id"] in self.vanished:
            return _refusal(409, "removal of container is already in progress")
        return _refusal(409, "You cannot remove a running container")


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
