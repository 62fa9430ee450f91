"""An engine that listens on TLS, in every way to name one; and those at which nothing can be balanced."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from docker import DockerClient

from tests.support.certificates import CertificateAuthority
from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.images import ECHO_IMAGE, build_echo
from tests.support.own_engine import OwnEngine, own_engine
from tests.support.ports import free_port
from tests.support.project import ECHO

pytestmark = pytest.mark.one_process

UP = ("up", "--balance", "echo=2", "-d")
FOR_V2 = pytest.mark.parametrize("compose", ["v2"], indirect=True)

Named = tuple[tuple[str, ...], dict[str, str | None]]
"""How the engine is named: by words before the command, and by variables."""


@dataclass(frozen=True)
class Far:
    """Where the engine listens on TLS; `folder` has a folder of certificates for each of its clients."""

    url: str
    folder: Path

    def variables(self, client: str = "client", **others: str | None) -> dict[str, str | None]:
        return {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(self.folder / client), **others}

    def contexts(self, **others: str | None) -> dict[str, str | None]:
        """Nothing but the context `far` tells of an engine."""
        return {"DOCKER_HOST": None, "DOCKER_CONFIG": str(self.folder / "docker"), **others}

    def docker(self, *words: str) -> None:
        """Run `docker context WORDS`."""
        command = ["docker", "--config", str(self.folder / "docker"), "context", *words]
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Far:
    folder = tmp_path_factory.mktemp("certificates")
    ours, other = CertificateAuthority(), CertificateAuthority()
    ours.vouch(folder / "engine", "127.0.0.1")
    ours.vouch(folder / "client", "client.example")
    ours.vouch(folder / "expired", "client.example", until=datetime.now(UTC) - timedelta(days=1))
    ours.vouch(folder / "trusting-another", "client.example", trusting=other)
    other.vouch(folder / "of-another", "client.example", trusting=ours)
    far = Far(f"tcp://127.0.0.1:{free_port()}", folder)
    certificates = ",".join(f"{name}={folder}/client/{name}.pem" for name in ("ca", "cert", "key"))
    far.docker("create", "far", "--docker", f"host={far.url},{certificates}")
    return far


@pytest.fixture(scope="module", autouse=True)
def own(far: Far) -> Iterator[OwnEngine]:
    place = far.folder / "engine"
    certificates = (f"--tlscacert={place}/ca.pem", f"--tlscert={place}/cert.pem", f"--tlskey={place}/key.pem")
    with own_engine(f"--host={far.url}", "--tlsverify", *certificates) as engine:
        yield engine


@pytest.fixture(scope="module")
def engine(own: OwnEngine) -> Iterator[DockerClient]:
    client = own.client()
    yield client
    client.close()


@pytest.fixture(scope="module")
def echo_image(engine: DockerClient) -> str:
    build_echo(engine)
    return ECHO_IMAGE


@pytest.fixture(autouse=True)
def no_other_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else docker-compose 1.29 trusts those, and not the authority that the endpoint names."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


def in_use(far: Far) -> Named:
    far.docker("use", "far")
    return (), far.contexts()


WAYS: dict[str, Callable[[Far], Named]] = {
    "DOCKER_HOST": lambda far: ((), far.variables(DOCKER_HOST=far.url)),
    "-H": lambda far: (("-H", far.url), far.variables(DOCKER_HOST=None)),
    "-c": lambda far: (("-c", "far"), far.contexts()),
    "DOCKER_CONTEXT": lambda far: ((), far.contexts(DOCKER_CONTEXT="far")),
    "docker context use": in_use,
}


@pytest.mark.parametrize(
    ("compose", "way"),
    [
        ("v2", "DOCKER_HOST"),
        ("v2", "-c"),
        *(pytest.param("v2", way, marks=pytest.mark.slow) for way in ("-H", "DOCKER_CONTEXT", "docker context use")),
        ("1.29.2", "DOCKER_HOST"),
        ("1.29.2", "DOCKER_CONTEXT"),
    ],
    indirect=["compose"],
)
def test_an_engine_behind_tls_is_balanced_at(project: ComposeProject, far: Far, way: str) -> None:
    named, variables = WAYS[way](far)
    project.run(*named, *UP, **variables)
    assert project.has_ready(2)
    assert ask(project.port).is_whole

    project.run(*named, "scale", "echo=3", **variables)
    assert "echo" in project.run(*named, "status", **variables)
    assert len(project.run(*named, "ps", "-q", **variables).split()) == len(project.containers()) == 3

    project.run(*named, "down", "--timeout", "0", **variables)
    assert project.has_left_nothing()


@FOR_V2
@pytest.mark.slow
def test_the_endpoint_s_certificates_go_before_those_of_python(project: ComposeProject, far: Far) -> None:
    python = {"REQUESTS_CA_BUNDLE": str(far.folder / "trusting-another" / "ca.pem")}
    project.run("up", "--balance", "echo=1", "-d", **far.variables(DOCKER_HOST=far.url, **python))
    assert ask(project.port).is_whole


@FOR_V2
@pytest.mark.slow
def test_an_engine_not_to_be_verified_is_no_cause_for_warnings(project: ComposeProject, far: Far) -> None:
    lax = far.variables("trusting-another", DOCKER_HOST=far.url, DOCKER_TLS_VERIFY=None, DOCKER_TLS="1")
    finished = project.composectl("up", "--balance", "echo=1", "-d", **lax)
    assert finished.returncode == 0
    assert "Warning" not in finished.stderr


@FOR_V2
def test_a_context_that_is_mistyped_is_not_the_local_engine(project: ComposeProject, far: Far) -> None:
    for words, variables in ((("-c", "fra"), far.contexts()), ((), far.contexts(DOCKER_CONTEXT="fra"))):
        error = cli_error_of(project, *words, *UP, **variables)
        assert error.message == "no Docker context `fra`"
        assert error.hint == "did you mean `far`?"


@pytest.mark.parametrize(
    ("client", "message", "hint"),
    [
        ("trusting-another", "is not trusted: unable to get local issuer certificate", "trusting-another/ca.pem"),
        ("of-another", "rejected the client certificate", "of-another/cert.pem"),
        ("expired", "rejected the client certificate", "dates"),
    ],
)
@FOR_V2
def test_certificates_that_are_not_good_are_told(
    project: ComposeProject, far: Far, client: str, message: str, hint: str
) -> None:
    error = cli_error_of(project, *UP, **far.variables(client, DOCKER_HOST=far.url))
    assert (error.exit_code, far.url in error.message) == (1, True)
    assert message in error.message
    assert hint in error.hint


@FOR_V2
def test_files_that_are_no_certificates_are_told(project: ComposeProject, far: Far, tmp_path: Path) -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).write_text("-----BEGIN NOTHING-----\n")
    error = cli_error_of(project, *UP, **far.variables(DOCKER_HOST=far.url, DOCKER_CERT_PATH=str(tmp_path)))
    assert error.message.startswith(f"cannot use the certificates in {tmp_path}: ")
    assert "PEM" in error.hint


@FOR_V2
def test_plain_http_to_an_engine_that_speaks_tls_is_told(project: ComposeProject, far: Far) -> None:
    error = cli_error_of(project, *UP, DOCKER_HOST=far.url)
    assert error.message == f"the Docker Engine at {far.url} speaks TLS"
    assert "DOCKER_TLS_VERIFY" in error.hint


@pytest.fixture
def by_ssh(own: OwnEngine, tmp_path: Path) -> dict[str, str | None]:
    """An `ssh` that leads to the engine, to whichever host."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\nDOCKER_HOST={own.url} exec docker system dial-stdio\n")
    ssh.chmod(0o700)
    return {"DOCKER_HOST": "ssh://me@far.example:2222", "PATH": f"{tmp_path}:{os.environ['PATH']}"}


@FOR_V2
def test_over_ssh_compose_is_at_work_and_nothing_is_balanced(
    project: ComposeProject, by_ssh: dict[str, str | None]
) -> None:
    error = cli_error_of(project, *UP, **by_ssh)
    assert error.exit_code == 1
    assert "ssh://me@far.example:2222" in error.message
    assert "`ssh -p 2222 me@far.example composectl ...`" in error.hint
    assert error.message in project.composectl("doctor", **by_ssh).stdout

    project.run("up", "-d", **by_ssh)
    (only,) = project.containers()
    assert project.run("ps", "-q", **by_ssh) == f"{only.id}\n"
    project.run("down", "--timeout", "0", **by_ssh)
    assert project.has_left_nothing()


@FOR_V2
@pytest.mark.slow
def test_over_ssh_what_the_file_wants_balanced_is_refused(
    project: ComposeProject, by_ssh: dict[str, str | None]
) -> None:
    project.write(ECHO + "    x-balance: 2\n")
    assert "cannot balance over ssh" in cli_error_of(project, "up", "-d", **by_ssh).message
