"""What `up` is refused before a container is touched, and that nothing is held afterwards."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from composectl.compose.argv import UpArguments
from composectl.compose.client import LoadedProject
from composectl.compose.options import Invocation, Options
from composectl.compose.project import Project
from composectl.config.daemon import AccessLogConfig, AdminConfig, UpConfig
from composectl.config.service import BalancingConfig, ProtocolConfig, ServiceConfig
from composectl.config.values import Address, PortProtocol
from composectl.control.lock import ProjectLock
from composectl.daemon.lifecycle import Prepared
from composectl.daemon.preflight import prepare_up
from composectl.errors import ComposectlError, RunsAlready
from composectl.proxy.protocol import Protocol
from tests.support.fake_orchestrator import FakeOrchestrator
from tests.support.kept_port import keep_port

ENGINE = "unix:///fake.sock"


class FakeConnection:
    """A connection whose orchestrator is of paper; `published_host` is where replicas would publish their ports."""

    def __init__(self, published_host: str = "") -> None:
        self.client = SimpleNamespace(name_of=lambda project: project.name)
        self.url = ENGINE
        self.is_closed = False
        self._published_host = published_host

    async def choose_addressing(self, asked: str) -> SimpleNamespace:
        return SimpleNamespace(published_host=self._published_host, sentence=f"published at {self._published_host}")

    def orchestrator(self, project: Project, scales: Mapping[str, int], *_: object, **__: object) -> FakeOrchestrator:
        return FakeOrchestrator(scales)

    def close(self) -> None:
        self.is_closed = True


class Machine:
    """Prepares `up` for services `echo` and `web`, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = FakeConnection()
        self._kept = keep_port()
        self.port = int(self._kept.getsockname()[1])
        self.services: dict[str, Any] = {"echo": {"ports": [f"127.0.0.1:{self.port}:80"]}, "web": {}}
        self.protocols = ProtocolConfig()

    async def prepare(self, *balanced: str, named: Sequence[str] = (), **options: Any) -> Prepared:
        config = UpConfig(
            services={
                name: ServiceConfig(2, BalancingConfig(), protocols=self.protocols) for name in balanced or ("echo",)
            },
            arguments=UpArguments((), tuple(named)),
            **options,
        )
        project = Project("shop", {"services": self.services})
        invocation = Invocation(Options(), None, None, {"XDG_RUNTIME_DIR": str(self.folder)}, self.folder)
        loaded = LoadedProject(self.connection.client, project, "")  # type: ignore[arg-type]

        async def connect(_: object) -> FakeConnection:
            return self.connection

        return await prepare_up(invocation, config, loaded, connect)  # type: ignore[arg-type]

    def assert_nothing_is_held(self) -> None:
        assert self.connection.is_closed
        assert not (self.folder / "composectl").exists()
        socket.create_server(("127.0.0.1", self.port)).close()

    def close(self) -> None:
        self._kept.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


async def test_what_is_not_refused_holds_its_ports_and_its_name(machine: Machine) -> None:
    prepared = await machine.prepare()
    assert prepared.daemon.info().project == "shop"
    assert len(prepared.daemon.listeners) == 1
    with pytest.raises(RunsAlready):
        ProjectLock(machine.folder / "composectl", "shop", ENGINE)
    prepared.daemon.close()


async def test_an_unknown_service_beside_the_balanced_ones(machine: Machine) -> None:
    with pytest.raises(ComposectlError, match="`ech`") as caught:
        await machine.prepare(named=("ech",))
    assert "`echo`" in caught.value.hint
    machine.assert_nothing_is_held()


async def test_a_service_that_publishes_nothing(machine: Machine) -> None:
    with pytest.raises(ComposectlError, match="`web`"):
        await machine.prepare("echo", "web")
    machine.assert_nothing_is_held()


async def test_a_protocol_of_a_port_that_no_service_has(machine: Machine) -> None:
    machine.protocols = ProtocolConfig(typed=(PortProtocol(81, Protocol.TCP),))
    with pytest.raises(ComposectlError, match="does not publish container port 81"):
        await machine.prepare()
    machine.assert_nothing_is_held()


async def test_a_port_that_is_taken_for_tcp_by_its_number_is_told(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.services["echo"]["ports"] = [f"127.0.0.1:{machine.port}:6379"]
    prepared = await machine.prepare()
    assert capsys.readouterr().err == ("echo: 6379 is a well-known TCP port; each connection goes to one replica\n")
    (port,) = prepared.daemon.snapshot().services[0].ports
    assert (port.port, port.protocol) == (6379, "tcp")
    assert prepared.daemon.options["echo.protocol"] == "6379=tcp"
    prepared.daemon.close()


async def test_two_services_at_one_port(machine: Machine) -> None:
    machine.services["web"] = machine.services["echo"]
    with pytest.raises(ComposectlError, match="published twice"):
        await machine.prepare("echo", "web")
    machine.assert_nothing_is_held()


async def test_a_project_that_runs_already(machine: Machine) -> None:
    lock = ProjectLock(machine.folder / "composectl", "shop", ENGINE)
    with pytest.raises(RunsAlready):
        await machine.prepare()
    lock.release()
    machine.assert_nothing_is_held()


async def test_an_access_log_that_cannot_be_opened(machine: Machine) -> None:
    with pytest.raises(ComposectlError, match="nowhere"):
        await machine.prepare(access_log=AccessLogConfig(str(machine.folder / "nowhere" / "log")))
    machine.assert_nothing_is_held()


async def test_a_dashboard_at_a_port_that_is_taken(machine: Machine, taken: int) -> None:
    with pytest.raises(ComposectlError, match="dashboard"):
        await machine.prepare(admin=AdminConfig(dashboard=Address("127.0.0.1", taken)))
    machine.assert_nothing_is_held()


async def test_a_second_port_that_is_taken_frees_the_first(machine: Machine, taken: int) -> None:
    machine.services["web"] = {"ports": [f"127.0.0.1:{taken}:80"]}
    with pytest.raises(ComposectlError, match="address already in use"):
        await machine.prepare("echo", "web")
    machine.assert_nothing_is_held()


async def test_more_clients_than_open_files(machine: Machine) -> None:
    with pytest.raises(ComposectlError, match="--max-connections"):
        await machine.prepare(max_connections=10**9)


async def test_where_replicas_publish_ports_that_is_said(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.connection = FakeConnection("127.0.0.1")
    prepared = await machine.prepare()
    assert "published at 127.0.0.1\n" in capsys.readouterr().err
    prepared.daemon.close()


async def test_a_name_that_replicas_cannot_share_is_left_out_aloud(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.services["echo"]["container_name"] = "only-one"
    prepared = await machine.prepare()
    assert capsys.readouterr().err == (
        "echo: `container_name: only-one` is left out, because several replicas cannot share it\n"
    )
    prepared.daemon.close()


async def test_a_name_and_addresses_are_left_out_in_one_line(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = {"ipv4_address": "172.28.0.10"}
    machine.services["echo"] |= {"mac_address": "02:42:ac:11:65:43", "networks": {"back": endpoint}}
    prepared = await machine.prepare()
    assert capsys.readouterr().err == (
        "echo: `mac_address: 02:42:ac:11:65:43` and `networks.back.ipv4_address: 172.28.0.10` are left out,"
        " because several replicas cannot share them\n"
    )
    prepared.daemon.close()


async def test_data_that_replicas_would_destroy_is_warned_of_once(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.services["echo"] |= {"image": "couchdb:3", "volumes": ["data:/data", "data:/other"]}
    prepared = await machine.prepare()
    assert capsys.readouterr().err == (
        "warning: echo: several replicas of the database `couchdb:3` write to `data`: its data will be destroyed\n"
    )
    prepared.daemon.close()


async def test_the_listeners_of_each_port_of_a_container_are_known(machine: Machine) -> None:
    machine.services["echo"]["ports"].append("127.0.0.1::81")
    prepared = await machine.prepare()
    ports = prepared.daemon.info().ports["echo"]
    assert ports["80"] == [f"127.0.0.1:{machine.port}"]
    assert ports["81"] == [listener for listener in prepared.daemon.listeners if listener not in ports["80"]]
    prepared.daemon.close()
