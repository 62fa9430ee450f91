"""A manager of a swarm of paper: it answers what engines 20.10 and 28.5 have answered, as a test changes it."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.support.fake_engine import FakeEngine
from tests.support.paths import ROOT

_ANSWERS = ROOT / "tests/unit/engine/answers"
_Json = dict[str, Any]


def answers(kind: str, engine: str = "28.5") -> list[_Json]:
    """What an engine of this version has answered to GET /nodes, /services or /tasks."""
    found: list[_Json] = json.loads((_ANSWERS / f"{kind}-{engine}.json").read_text())
    return found


def event(kind: str = "service", name: str = "lab_echo") -> _Json:
    """As the managers send it."""
    return {"Type": kind, "Action": "update", "Actor": {"ID": "1", "Attributes": {"name": name}}, "time": 1}


class FakeSwarm(FakeEngine):
    """What it holds is in `nodes`, `services` and `tasks`; `updates` are the specifications that it was given.

    `refusal`: the status and the message with which all that is of the swarm is answered. `conflicts`: so many updates
    are refused, as another came first.
    """

    def __init__(self, socket: Path, engine: str = "28.5") -> None:
        super().__init__(socket)
        self.nodes = answers("nodes", engine)
        self.services = answers("services", engine)
        self.tasks = answers("tasks", engine)
        self.updates: list[_Json] = []
        self.refusal: tuple[int, str] | None = None
        self.conflicts = 0
        self.logs: dict[str, bytes] = {}  # by path

    def of(self, service: str) -> list[_Json]:
        """The tasks of the service with this name, by slot."""
        id_ = next(found["ID"] for found in self.services if found["Spec"]["Name"] == service)
        return sorted((task for task in self.tasks if task["ServiceID"] == id_), key=lambda task: int(task["Slot"]))

    def task(self, slot: int, service: str = "lab_echo") -> _Json:
        """The running task with this number."""
        return next(task for task in self.of(service) if task["Slot"] == slot and task["DesiredState"] == "running")

    def stop_task(self, slot: int, desired_state: str = "shutdown") -> _Json:
        """Tell a task to stop: its ports vanish at once, and it still runs."""
        task = self.task(slot)
        task["DesiredState"] = desired_state
        task["Status"].pop("PortStatus")
        return task

    def start_task(self, slot: int, port: int = 40000, **changed: Any) -> _Json:
        """Add a task that runs, like the others of its service."""
        task = deepcopy(self.of("lab_echo")[0])
        task |= {"ID": f"new{len(self.tasks)}", "Slot": slot, "DesiredState": "running"} | changed
        ports = {"Ports": [{"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": port, "PublishMode": "host"}]}
        task["Status"] |= {"State": "running", "PortStatus": ports}
        self.tasks.append(task)
        return task

    # Private

    def _app(self) -> web.Application:
        app = super()._app()
        app.router.add_get("/v{api}/nodes", self._list_nodes)
        app.router.add_get("/v{api}/services", self._list_services)
        app.router.add_get("/v{api}/services/{id}", self._inspect_service)
        app.router.add_post("/v{api}/services/{id}/update", self._update_service)
        app.router.add_get("/v{api}/tasks", self._list_tasks)
        app.router.add_get("/v{api}/{kind:tasks|services}/{id}/logs", self._swarm_logs)
        return app

    async def _list_nodes(self, request: web.Request) -> web.Response:
        return self._answer(self.nodes)

    async def _list_services(self, request: web.Request) -> web.Response:
        labels = _filters(request).get("label", [])
        wanted = [label.split("=", 1) for label in labels]
        return self._answer(
            [found for found in self.services if all(found["Spec"]["Labels"].get(key) == text for key, text in wanted)]
        )

    async def _inspect_service(self, request: web.Request) -> web.Response:
        found = self._find(request.match_info["id"])
        return self._answer(found) if found or self.refusal else _refusal(404, "service not found")

    async def _update_service(self, request: web.Request) -> web.Response:
        found = self._find(request.match_info["id"])
        assert found is not None
        if self.conflicts or int(request.query["version"]) != found["Version"]["Index"]:
            self.conflicts -= 1
            found["Version"]["Index"] += 1
            return _refusal(500, "rpc error: code = Unknown desc = update out of sequence")
        found["Spec"] = await request.json()
        found["Version"]["Index"] += 1
        self.updates.append(found["Spec"])
        return self._answer({"Warnings": None})

    async def _list_tasks(self, request: web.Request) -> web.Response:
        filters, found = _filters(request), self.tasks
        if services := filters.get("service"):
            known = [self._find(name) for name in services]
            if None in known and not self.refusal:
                return _refusal(404, "service not found")
            ids = {service["ID"] for service in known if service}
            found = [task for task in found if task["ServiceID"] in ids]
        for key, field in (("id", "ID"), ("desired-state", "DesiredState")):
            if key in filters:
                found = [task for task in found if task[field] in filters[key]]
        return self._answer(found)

    async def _swarm_logs(self, request: web.Request) -> web.Response:
        path = f"{request.match_info['kind']}/{request.match_info['id']}"
        if path not in self.logs:
            return _refusal(404, "not found")
        return web.Response(body=self.logs[path])

    def _find(self, name: str) -> _Json | None:
        return next((found for found in self.services if name in (found["ID"], found["Spec"]["Name"])), None)

    def _answer(self, payload: Any) -> web.Response:
        return _refusal(*self.refusal) if self.refusal else web.json_response(payload)


def frame(text: str, stream: int = 1) -> bytes:
    """A line as the Docker Engine API sends it."""
    line = text.encode() + b"\n"
    return bytes((stream, 0, 0, 0)) + len(line).to_bytes(4, "big") + line


def _filters(request: web.Request) -> dict[str, list[str]]:
    """The SDK writes each as a list, and the API takes a mapping, too."""
    found: dict[str, list[str]] = json.loads(request.query.get("filters") or "{}")
    return found


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
