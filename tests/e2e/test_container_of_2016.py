"""The second file of the post of 2016: a container of ours beside the service, which Compose scales."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from docker import DockerClient
from docker.models.containers import Container

from tests.support.cli_error import cli_error_in
from tests.support.compose_project import ComposeProject
from tests.support.http_client import Answer, ask
from tests.support.load_generator import LoadGenerator
from tests.support.own_engine import engine_socket
from tests.support.ports import free_port
from tests.support.wait import wait_until

pytestmark = pytest.mark.one_process

IN_2016 = """\
proxy:
  image: {proxy}
  ports:
    - "{port}:8080"
  environment:
    - DOCKER_COMPOSE_SERVICE_NAME=echo
  volumes:
    - "{socket}:/var/run/docker.sock:ro"
echo:
  image: {backend}
  volumes:
    - "{state}:/state"
"""
TODAY = "services:\n" + "".join(f"  {line}\n" for line in IN_2016.splitlines())
WITH_VERSION = f'version: "2.4"\n{TODAY}'
TERMINATED = 128 + 15

V2 = pytest.mark.parametrize("compose", ["v2"], indirect=True)


class Beside:
    """A project whose `proxy` is a container of ours."""

    def __init__(self, project: ComposeProject, proxy: str, backend: str) -> None:
        self.project = project
        self._images = {"proxy": proxy, "backend": backend}
        self._state = project.folder.parent / "shared"
        self._state.mkdir(mode=0o777)

    def write(self, text: str, more: str = "") -> None:
        self.project.write(text + more, socket=engine_socket(), state=self._state, **self._images)

    def compose(self, *words: str) -> None:
        done = self.project.plain_compose(*words)
        assert done.returncode == 0, done.stderr

    def begin(self, text: str, more: str = "") -> None:
        """Write the file, and bring all of it up as Compose does; one replica is ready when this returns."""
        self.write(text, more)
        self.compose("up", "-d")
        assert wait_until(lambda: self.proxy.exec_run(["composectl", "status"]).exit_code == 0), self.proxy.logs()
        assert self.comes_to(1)

    @property
    def proxy(self) -> Container:
        return next(
            container
            for container in self.project.containers()
            if container.labels["com.docker.compose.service"] == "proxy"
        )

    def says(self, *words: str, exit_codes: Collection[int] = (0,)) -> str:
        """`composectl WORDS` in the container of the proxy, which must end with one of these."""
        exit_code, said = self.proxy.exec_run(["composectl", *words])
        assert exit_code in exit_codes, said.decode()
        return str(said.decode())

    def comes_to(self, replicas: int) -> bool:
        """Whether so many are ready in the end, and no others there."""
        return wait_until(lambda: [backend["phase"] for backend in self.status()["backends"]] == ["ready"] * replicas)

    def status(self) -> dict[str, Any]:
        (service,) = json.loads(self.says("status", "--json", exit_codes=(0, 3)))["services"]
        assert isinstance(service, dict)
        return service

    def answering(self, asks: int) -> set[str | None]:
        """What answers in a loop of `curl`."""
        return {ask(self.project.port).backend for _ in range(asks)}


@pytest.fixture
def beside(project: ComposeProject, proxy_image: str, backend_image: str) -> Beside:
    return Beside(project, proxy_image, backend_image)


@pytest.mark.parametrize(
    ("compose", "file", "scale"),
    [("1.29.2", IN_2016, ("scale",)), ("1.29.2", WITH_VERSION, ("scale",)), ("v2", TODAY, ("up", "-d", "--scale"))],
    indirect=["compose"],
)
def test_the_service_is_scaled_behind_it_without_a_restart(beside: Beside, file: str, scale: tuple[str, ...]) -> None:
    beside.begin(file)
    started = beside.proxy.attrs["State"]["StartedAt"]
    with LoadGenerator(beside.project.port, per_second=50) as load:
        beside.compose(*scale, "echo=5")
        assert beside.comes_to(5)
        # A stream in flight counts, too, where the least busy are taken: two of the five may answer nothing else.
        curled: set[str | None] = set()
        assert wait_until(lambda: curled.update(beside.answering(5)) or len(curled) >= 3)
        assert wait_until(lambda: len({fate.backend for fate in load.fates}) == 5)
        beside.compose(*scale, "echo=2")
        assert beside.comes_to(2)
    assert load.failed == []
    assert load.cut == []
    assert len({fate.backend for fate in load.fates}) == 5
    assert beside.proxy.attrs["State"]["StartedAt"] == started

    beside.proxy.stop()
    assert beside.proxy.attrs["State"]["ExitCode"] == TERMINATED


@V2
def test_docker_stop_lets_requests_finish(beside: Beside) -> None:
    beside.begin(TODAY)
    with asking_slowly(beside, seconds=8) as slow:
        beside.proxy.stop()
        assert [future.result().status for future in slow] == [200, 200]
    assert beside.proxy.attrs["State"]["ExitCode"] == TERMINATED


@V2
def test_longer_requests_are_cut_before_the_grace_period_is_over(beside: Beside) -> None:
    beside.begin(TODAY.replace("  echo:", "    stop_grace_period: 3s\n  echo:"))
    with asking_slowly(beside, seconds=20) as slow:
        beside.proxy.stop()
        assert all(isinstance(future.exception(), HTTPException | OSError) for future in slow)
    assert beside.proxy.attrs["State"]["ExitCode"] == TERMINATED


@V2
def test_other_commands_work_in_the_container(beside: Beside) -> None:
    beside.begin(TODAY)
    assert "1/1 ready" in beside.says("status")
    exit_code, said = beside.proxy.exec_run(["composectl", "scale", "echo=3"])
    assert exit_code == 1
    assert b"the proxy follows the replicas of service `echo`, and creates none" in said

    beside.says("drain", "echo", "1")
    assert [backend["phase"] for backend in beside.status()["backends"]] == ["maintenance"]
    beside.says("undrain", "echo", "1")
    assert beside.comes_to(1)

    beside.proxy.exec_run(["composectl", "down"])  # which ends with the container that it is in
    assert beside.proxy.wait()["StatusCode"] == 0


@V2
def test_it_needs_no_right_but_to_the_socket(beside: Beside) -> None:
    group = engine_socket().stat().st_gid
    hardened = (
        f'user: "65534:{group}"\n    read_only: true\n    cap_drop: [ALL]\n    security_opt: ["no-new-privileges"]'
    )
    beside.begin(TODAY.replace("  echo:", f"    {hardened}\n  echo:"))
    assert ask(beside.project.port).status == 200


@V2
def test_replicas_are_reached_on_a_network_that_both_are_on(beside: Beside) -> None:
    both = TODAY.replace("  echo:", "    networks: [shared]\n  echo:\n    networks: [alone, shared]")
    beside.begin(both, "networks:\n  alone:\n  shared:\n")
    (echo,) = (container for container in beside.project.containers() if container.id != beside.proxy.id)
    networks = echo.attrs["NetworkSettings"]["Networks"]
    assert beside.answering(1) == {f"{networks[f'{beside.project.name}_shared']['IPAddress']}:9090"}


@V2
def test_replicas_on_no_such_network_are_told_of(beside: Beside) -> None:
    beside.write(
        TODAY.replace("  echo:", "    depends_on: [echo]\n    networks: [front]\n  echo:\n    networks: [back]")
    )
    with beside.project.file.open("a") as file:
        file.write("networks:\n  front:\n  back:\n")
    beside.compose("up", "-d")
    assert beside.proxy.wait()["StatusCode"] == 1
    output = beside.proxy.logs(stdout=False).decode()
    project = beside.project.name
    assert output.startswith(
        f"error: no replica of service `echo` of project `{project}` shares a network with this container"
    )


@V2
def test_on_the_network_of_the_host_it_reaches_all_replicas(beside: Beside) -> None:
    listening = 'network_mode: host\n    command: ["proxy", "--listen", "127.0.0.1:{port}"]'
    beside.begin(TODAY.replace('ports:\n      - "{port}:8080"', listening))
    assert beside.answering(1) == {beside.status()["backends"][0]["address"]}


SOCKET = ("--volume", f"{engine_socket()}:/var/run/docker.sock:ro")
ECHO = ("--env", "DOCKER_COMPOSE_SERVICE_NAME=echo")


@pytest.mark.parametrize(
    ("options", "exit_code", "message", "hint"),
    [
        ((), 2, "missing option: `--backend HOST:PORT` or `--service NAME`", "DOCKER_COMPOSE_SERVICE_NAME=NAME"),
        (ECHO, 1, "no /var/run/docker.sock in this container", "mount the host's socket"),
        ((*ECHO, *SOCKET), 1, "belongs to no Compose project", "`composectl -p shop proxy`"),
        ((*ECHO, *SOCKET, "--user", "65534:65534"), 1, "permission denied: Docker Engine", "`group_add:`"),
        ((*ECHO, "--env", "DOCKER_HOST=tcp://127.0.0.1:1"), 1, "cannot connect to the Docker Engine", "is it running?"),
    ],
)
def test_what_is_missing_is_told(
    proxy_image: str, options: tuple[str, ...], exit_code: int, message: str, hint: str
) -> None:
    command = ["docker", "run", "--rm", "--network", "none", *options, proxy_image]
    error = cli_error_in(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False))
    assert error.exit_code == exit_code
    assert message in error.message
    assert hint in error.hint


@V2
def test_https_passwords_metrics_and_the_dashboard_work_in_the_image(beside: Beside, tmp_path: Path) -> None:
    passwords, metrics, dashboard = tmp_path / "passwords", free_port(), free_port()
    passwords.write_bytes(b"ann:" + bcrypt.hashpw(b"open", bcrypt.gensalt(4)))
    passwords.chmod(0o644)
    words = ("--tls", "internal", "--basic-auth", "/passwords", "--listen", "127.0.0.1:{port}")
    words += ("--metrics", f"127.0.0.1:{metrics}", "--dashboard", f"127.0.0.1:{dashboard}")
    served = f"network_mode: host\n    command: {json.dumps(['proxy', *words])}"
    mounted = f'"{{socket}}:/var/run/docker.sock:ro"\n      - "{passwords}:/passwords:ro"'
    beside.begin(
        TODAY.replace('ports:\n      - "{port}:8080"', served).replace('"{socket}:/var/run/docker.sock:ro"', mounted)
    )
    assert curl(f"https://127.0.0.1:{beside.project.port}/", "--insecure", "--user", "ann:open").endswith(" 2 200")
    assert curl(f"https://127.0.0.1:{beside.project.port}/", "--insecure").endswith(" 2 401")
    assert "\ncomposectl_requests_total" in ask(metrics, "/metrics").text
    assert "<title>" in ask(dashboard).text
    assert "composectl" in beside.says("completion", "bash")


@V2
def test_the_image_is_small_and_tells_how_its_health_is_checked(
    beside: Beside, engine: DockerClient, proxy_image: str
) -> None:
    image = engine.images.get(proxy_image).attrs
    assert image["Size"] < 40_000_000
    kind, *command = image["Config"]["Healthcheck"]["Test"]
    beside.begin(TODAY)
    assert (kind, beside.proxy.exec_run(command).exit_code) == ("CMD", 0)


# Private


def curl(url: str, *options: str) -> str:
    """What it prints, then the version of HTTP and the status."""
    command = ["curl", "--silent", "--max-time", "30", "--write-out", " %{http_version} %{http_code}", *options, url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextmanager
def asking_slowly(beside: Beside, seconds: int) -> Iterator[list[Future[Answer]]]:
    """Two requests in flight, which take so long."""
    with ThreadPoolExecutor() as pool:
        slow = [pool.submit(ask, beside.project.port, f"/?sleep={seconds}") for _ in range(2)]
        assert wait_until(lambda: beside.status()["totals"]["in_flight"] == 2)
        yield slow
