"""The document that is served, beside what is answered in fact."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, UnixConnector
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from composectl.balance.snapshot import PortView, ServiceView, view_service
from composectl.control.api import make_api
from composectl.control.http_server import Throttle
from tests.support.factories import RecordedPool
from tests.support.fake_daemon import FakeDaemon
from tests.support.paths import ROOT
from tests.unit.control.test_events import CHANGE, listening

SPEC: dict[str, Any] = json.loads((ROOT / "composectl/control/openapi.json").read_text())
SCHEMAS = SPEC["components"]["schemas"]
COMMANDS = [path for path, item in SPEC["paths"].items() if "requestBody" in item.get("post", {})]
OTHERS = [None, True, -1, 3, 0.25, 1.5, "", "text", [], ["echo"], [3], {}, {"echo": 2}, {"echo": -1}, {"echo": 1001}]


def valid(name: str, payload: Any) -> bool:
    """Whether it is what the schema of this name says."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": SPEC["components"]}
    return Draft202012Validator(schema).is_valid(payload)


def example(path: str) -> dict[str, Any]:
    found: dict[str, Any] = SPEC["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
    return found


def schema_of(path: str) -> str:
    reference = SPEC["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    return str(reference).rpartition("/")[2]


def seen() -> ServiceView:
    """A service with counts, changes and a canary."""
    watched = RecordedPool(3)
    watched.pool.leases.begin_canary({watched.backend(1).replica.id}, 0.1)
    for answered in (True, False):
        lease = watched.pool.leases.acquire()
        assert lease is not None
        lease.answered(200, 1500) if answered else lease.failed("backend-hung-up")
    facts: dict[str, Any] = {"changes": watched.changes, "rollouts": {"done": 1}, "listeners": ["127.0.0.1:80"]}
    facts["ports"] = [PortView(80, ("127.0.0.1:80",), "auto", {"http/2": 1}), PortView(None, (), "tls")]
    facts["redirect_http"] = ["127.0.0.1:8080"]
    return view_service(watched.pool, policy="p2c", desired=3, queued=0, port=80, **facts)


@asynccontextmanager
async def asking(folder: Path) -> AsyncIterator[ClientSession]:
    """A client of a daemon with such a service."""
    daemon = FakeDaemon()
    daemon.services = (seen(),)
    async with (
        daemon.open(folder) as path,
        ClientSession("http://localhost", connector=UnixConnector(str(path))) as client,
    ):
        yield client


def test_it_is_valid() -> None:
    validate(SPEC)


def test_every_path_is_in_it_and_no_other() -> None:
    routes = make_api(FakeDaemon(), Throttle()).router.routes()
    there = {(route.resource.canonical, route.method.lower()) for route in routes if route.resource}
    assert there == {(path, method) for path, item in SPEC["paths"].items() for method in item}


@pytest.mark.parametrize(("path", "schema"), [("/v1/about", "DaemonInfo"), ("/v1/status", "Snapshot")])
async def test_an_answer_is_what_the_schema_says(tmp_path: Path, path: str, schema: str) -> None:
    async with asking(tmp_path) as client, client.get(path) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert valid(schema, await answer.json())


async def test_every_key_of_an_answer_is_in_the_schema(tmp_path: Path) -> None:
    async with asking(tmp_path) as client:
        about = await (await client.get("/v1/about")).json()
        status = await (await client.get("/v1/status")).json()
    (service,) = status["services"]
    found = {"DaemonInfo": about, "Snapshot": status, "Service": service, "Totals": service["totals"]}
    (backend, change) = (service["backends"][0], service["changes"][0])
    found |= {"Backend": backend, "ChangeOfAService": change, "ByClass": backend["responses"]}
    found["AccessLog"] = status["access_log"]
    documented = {name: set(SCHEMAS[name]["properties"]) for name in found}
    assert {name: set(keys) for name, keys in found.items()} == documented


async def test_events_are_what_it_says(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    daemon.services = (seen(),)
    async with daemon.open(tmp_path) as path, listening(path) as client:
        assert valid("Snapshot", await client.next("snapshot"))
        daemon.changes.publish(CHANGE)
        assert valid("Change", await client.next("change"))


async def test_it_is_served(tmp_path: Path) -> None:
    async with asking(tmp_path) as client, client.get("/v1/openapi.json") as answer:
        assert await answer.json() == SPEC


async def test_metrics_come_in_the_formats_that_it_says(tmp_path: Path) -> None:
    kinds = SPEC["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    async with asking(tmp_path) as client:
        for kind in kinds:
            async with client.get("/metrics", headers={"Accept": kind}) as answer:
                assert (answer.status, answer.content_type) == (200, kind)


@pytest.mark.parametrize("path", COMMANDS)
async def test_each_example_is_carried_out_line_by_line(tmp_path: Path, path: str) -> None:
    assert valid(schema_of(path), example(path))
    async with asking(tmp_path) as client, client.post(path, json=example(path)) as answer:
        assert (answer.status, answer.content_type) == (200, "application/jsonl")
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert all(valid("Line", line) for line in lines)
    assert lines[-1] == {"done": True}


async def test_a_command_that_fails_ends_with_its_error(tmp_path: Path) -> None:
    missing = {"desired": {"missing": 1}, "oldest_first": False}
    async with asking(tmp_path) as client, client.post("/v1/scale", json=missing) as answer:
        last = json.loads((await answer.text()).splitlines()[-1])
    assert valid("Line", last)
    assert last["error"] == "service `missing` is not balanced"


@pytest.mark.parametrize("path", COMMANDS)
async def test_a_command_is_accepted_where_the_schema_does(tmp_path: Path, path: str) -> None:
    """Each key left out, and each with values of every kind."""
    async with asking(tmp_path) as client:
        for request in variants(example(path)):
            async with client.post(path, json=request) as answer:
                body = await answer.text()
                assert answer.status == (200 if valid(schema_of(path), request) else 400), request
                assert answer.status == 200 or valid("Error", json.loads(body))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", b"", 404),
        ("GET", "/v2/status", b"", 404),
        ("POST", "/v1/handover", b"", 404),
        ("POST", "/v1/status", b"", 405),
        ("HEAD", "/v1/events", b"", 405),
        ("GET", "/v1/scale", b"", 405),
        ("POST", "/v1/scale", b"{", 400),
        ("POST", "/v1/scale", b"\xff", 400),
        ("POST", "/v1/scale", b"[" * 100_000, 400),
        ("POST", "/v1/scale", b" " * (4 * 2**20 + 1), 413),
    ],
)
async def test_what_is_refused_says_why(tmp_path: Path, method: str, path: str, body: bytes, status: int) -> None:
    async with asking(tmp_path) as client, client.request(method, path, data=body) as answer:
        assert answer.status == status
        assert method == "HEAD" or valid("Error", await answer.json())
        documented = SPEC["paths"].get(path, {}).get(method.lower(), {}).get("responses", {str(status): {}})
        assert str(status) in documented


async def test_stopping_is_what_it_says(tmp_path: Path) -> None:
    schema = SPEC["paths"]["/v1/stop"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    async with asking(tmp_path) as client, client.post("/v1/stop") as answer:
        assert Draft202012Validator(schema).is_valid(await answer.json())


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async with FakeDaemon(timeout=0.2).open(tmp_path) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"POST /v1/scale HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert valid("Error", json.loads(answer.partition(b"\r\n\r\n")[2]))


async def test_what_is_not_http_is_told_so_without_an_echo(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"\0garbage\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
    assert b" 400 " in answer
    assert b"garbage" not in answer
    assert valid("Error", json.loads(answer.partition(b"\r\n\r\n")[2]))


def variants(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in request:
        yield {other: value for other, value in request.items() if other != key}
        for value in OTHERS:
            yield request | {key: value}


def test_the_docs_name_the_keys_and_paths_that_there_are() -> None:
    pages = ROOT / "docs" / "reference"
    example = re.search(r"```json\n(.*?)```", (pages / "status-json.md").read_text(), re.DOTALL)
    assert example
    assert keys(json.loads(example[1])) <= {
        name for schema in SCHEMAS.values() for name in schema.get("properties", {})
    }
    named = set(re.findall(r"/v1(?:/[\w.]*\w)+", (pages / "control-api.md").read_text()))
    assert named == SPEC["paths"].keys() - {"/metrics"}


def keys(value: Any) -> set[str]:
    """The keys of an object, and of all within it."""
    if isinstance(value, list):
        return {name for item in value for name in keys(item)}
    if isinstance(value, dict):
        return value.keys() | {name for item in value.values() for name in keys(item)}
    return set()
