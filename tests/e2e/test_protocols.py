"""Services that speak different protocols, and nothing configured: each is balanced its own way."""

from __future__ import annotations

import socket
import sys
from collections import Counter
from contextlib import ExitStack, closing

import pytest

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject
from tests.support.grpc_backend import GrpcClient
from tests.support.http_client import burst
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.shares import are_even, connections_of
from tests.support.wait import wait_until

# The server of `cache` speaks first, as those of databases do, and repeats what it is sent. That of `calls` is grpcio
# with the Python of this machine.
MIXED = """\
services:
  web:
    image: {image}
    ports:
      - "{port}:9090"
  cache:
    image: {image}
    command: [nc, -ll, -p, "6379", -e, sh, -c, "hostname; cat"]
    stop_grace_period: 1s
    ports:
      - "{cache}:6379"
  calls:
    image: {image}
    command: [{python}, -c, "{serve}"]
    working_dir: {root}
    volumes: [{mounts}]
    stop_grace_period: 1s
    ports:
      - "{calls}:50051"
"""
SERVE = (
    "import socket, threading; from tests.support.grpc_backend import GrpcBackend; "
    "GrpcBackend(socket.gethostname(), 50051, '0.0.0.0'); threading.Event().wait()"
)
MACHINE = ("/usr", "/lib", "/lib64", sys.base_prefix, sys.prefix, str(ROOT))
# What is written wins: in the long form of a port, and below `x-balance`.
WRITTEN = """\
services:
  web:
    image: {image}
    x-balance:
      protocol:
        "9090": http
    ports:
      - "{port}:9090"
  cache:
    image: {image}
    command: [nc, -ll, -p, "7000", -e, sh, -c, "hostname; cat"]
    stop_grace_period: 1s
    ports:
      - target: 7000
        published: "{cache}"
        app_protocol: redis
"""
BALANCED = ("--balance", "web=2", "--balance", "cache=2", "--balance", "calls=2")
NOTE = "cache: 6379 is a well-known TCP port; each connection goes to one replica\n"

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


def test_each_service_of_a_file_is_balanced_its_own_way(project: ComposeProject) -> None:
    cache, calls = free_port(), free_port()
    mounts = ", ".join(f"{path}:{path}:ro" for path in dict.fromkeys(MACHINE))
    project.write(MIXED, cache=cache, calls=calls, python=sys.executable, serve=SERVE, root=ROOT, mounts=mounts)
    done = project.composectl("up", *BALANCED, "-d")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(NOTE) == 1
    for service in ("web", "cache", "calls"):
        assert wait_until(lambda service=service: phases(project, service) == ["ready", "ready"])

    assert len({answer.backend for answer in burst(project.port, 20, 4)}) == 2
    with closing(GrpcClient(calls)) as client:
        served = Counter(client.unary(b"", timeout=30) for _ in range(40))
    assert len(served) == 2
    assert min(served.values()) >= 10
    with ExitStack() as held:
        clients = [held.enter_context(socket.create_connection(("127.0.0.1", cache), timeout=10)) for _ in range(4)]
        files = [held.enter_context(client.makefile("rwb")) for client in clients]
        assert are_even(Counter(file.readline() for file in files).values(), len(files))
        for file in files:
            file.write(b"PING\n")
            file.flush()
            assert file.readline() == b"PING\n"
        assert wait_until(lambda: are_even(connections_of(project, "cache"), len(files)))
    assert wait_until(lambda: project.status("cache")["totals"]["connections"] == 0)
    assert project.status("cache")["totals"]["connections_total"] == 4
    assert [port["protocol"] for name in ("web", "cache") for port in project.status(name)["ports"]] == ["auto", "tcp"]
    assert [port["recognised"] for port in project.status("cache")["ports"]] == [{"tcp": 4}]
    table = project.run("status")
    assert f"0.0.0.0:{project.port}  [::]:{project.port}  auto: http/1.1  " in table
    assert f"0.0.0.0:{calls}  [::]:{calls}  auto: http/2  " in table
    assert f"0.0.0.0:{cache}  [::]:{cache}  tcp  " in table


@pytest.mark.slow
def test_what_is_written_of_a_port_wins(project: ComposeProject) -> None:
    cache = free_port()
    project.write(WRITTEN, cache=cache)
    error = cli_error_of(project, "up", "--balance", "web=1", "--balance", "cache=1", "--protocol", "6379=tcp", "-d")
    assert error.message == ("no balanced service publishes container port 6379, for which the protocol `tcp` is given")
    done = project.composectl("up", "--balance", "web=1", "--balance", "cache=1", "-d")
    assert done.returncode == 0, done.stderr
    assert "well-known" not in done.stderr
    assert wait_until(lambda: phases(project, "cache") == phases(project, "web") == ["ready"])
    assert [port["protocol"] for name in ("web", "cache") for port in project.status(name)["ports"]] == ["http", "tcp"]
    with socket.create_connection(("127.0.0.1", cache), timeout=10) as client, client.makefile("rb") as file:
        assert file.readline().strip()


def phases(project: ComposeProject, service: str) -> list[str]:
    return [backend["phase"] for backend in project.status(service)["backends"]]
