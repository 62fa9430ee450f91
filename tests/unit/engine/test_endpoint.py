"""Which engine to talk to."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from composectl.engine.endpoint import Endpoint, Tls, child_environ, named_by, resolve_endpoint
from composectl.errors import USAGE, ComposectlError

DEFAULT = Endpoint("unix:///var/run/docker.sock")


class DockerFolder:
    """A folder like ~/.docker, which DOCKER_CONFIG names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environ = {"DOCKER_CONFIG": str(path)}

    def choose(self, name: str) -> None:
        (self.path / "config.json").write_text(json.dumps({"currentContext": name}))

    def add(self, name: str, **docker: Any) -> None:
        folder = self.path / "contexts" / "meta" / sha256(name.encode()).hexdigest()
        folder.mkdir(parents=True)
        (folder / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": docker}}))

    def add_tls(self, name: str) -> Path:
        folder = self.path / "contexts" / "tls" / sha256(name.encode()).hexdigest() / "docker"
        folder.mkdir(parents=True)
        return folder


@pytest.fixture
def docker(tmp_path: Path) -> DockerFolder:
    folder = DockerFolder(tmp_path)
    folder.add("far", Host="tcp://far:2376")
    folder.add("near", Host="unix:///near.sock")
    return folder


def test_nothing_said_is_the_default_socket(docker: DockerFolder) -> None:
    assert resolve_endpoint(None, None, docker.environ) == DEFAULT


def test_h21_without_another_word_the_current_context_counts(docker: DockerFolder) -> None:
    docker.choose("near")
    assert resolve_endpoint(None, None, docker.environ) == Endpoint("unix:///near.sock")


def test_docker_context_goes_before_the_current_context(docker: DockerFolder) -> None:
    docker.choose("near")
    environ = docker.environ | {"DOCKER_CONTEXT": "far"}
    assert resolve_endpoint(None, None, environ) == Endpoint("tcp://far:2376")


def test_h21_docker_host_goes_before_docker_context(docker: DockerFolder) -> None:
    environ = docker.environ | {"DOCKER_CONTEXT": "far", "DOCKER_HOST": "tcp://here:1"}
    assert resolve_endpoint(None, None, environ) == Endpoint("tcp://here:1")


def test_c_goes_before_docker_host(docker: DockerFolder) -> None:
    environ = docker.environ | {"DOCKER_HOST": "tcp://here:1"}
    assert resolve_endpoint(None, "near", environ) == Endpoint("unix:///near.sock")


def test_h_goes_before_all(docker: DockerFolder) -> None:
    docker.choose("near")
    environ = docker.environ | {"DOCKER_HOST": "tcp://here:1", "DOCKER_CONTEXT": "far"}
    assert resolve_endpoint("tcp://there:2", None, environ) == Endpoint("tcp://there:2")


def test_h_and_c_at_once_are_refused_as_by_the_docker_command(docker: DockerFolder) -> None:
    with pytest.raises(ComposectlError, match="`-H tcp://there:2` and `-c near` name two engines") as caught:
        resolve_endpoint("tcp://there:2", "near", docker.environ)
    assert caught.value.exit_code == USAGE


@pytest.mark.parametrize(
    ("host", "context", "environ", "by"),
    [
        ("tcp://there:2", None, {"DOCKER_HOST": "tcp://here:1"}, "`-H`"),
        (None, "near", {"DOCKER_HOST": "tcp://here:1"}, "context `near`, by `-c`"),
        (None, None, {"DOCKER_HOST": "tcp://here:1", "DOCKER_CONTEXT": "far"}, "DOCKER_HOST"),
        (None, None, {"DOCKER_CONTEXT": "far"}, "context `far`, by DOCKER_CONTEXT"),
        (None, None, {}, "context `near`, by `docker context use`"),
        (None, "default", {"DOCKER_HOST": "tcp://here:1"}, "DOCKER_HOST"),
        (None, None, {"DOCKER_CONTEXT": "default"}, "nothing, hence the default"),
    ],
)
def test_what_named_the_engine_is_told(
    docker: DockerFolder, host: str | None, context: str | None, environ: dict[str, str], by: str
) -> None:
    docker.choose("near")
    assert named_by(host, context, docker.environ | environ) == by


def test_a_mistyped_context_is_told_with_the_nearest(docker: DockerFolder) -> None:
    with pytest.raises(ComposectlError, match="no Docker context `nera`") as caught:
        resolve_endpoint(None, "nera", docker.environ)
    assert caught.value.hint == "did you mean `near`?"
    with pytest.raises(ComposectlError) as caught:
        resolve_endpoint(None, "moon", docker.environ)
    assert caught.value.hint == "the contexts are `default`, `far`, `near`"


@pytest.mark.parametrize("endpoints", [{}, None, {"docker": None}, {"kubernetes": {}}])
def test_a_context_without_an_engine_is_told(docker: DockerFolder, endpoints: Any) -> None:
    for meta in docker.path.glob("contexts/meta/*/meta.json"):
        meta.write_text(json.dumps({"Name": "near", "Endpoints": endpoints}))
    with pytest.raises(ComposectlError, match=r"meta\.json: it names no engine"):
        resolve_endpoint(None, "near", docker.environ)


def test_certificates_of_the_environment_are_not_for_a_context(docker: DockerFolder) -> None:
    environ = docker.environ | {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}
    assert resolve_endpoint(None, "far", environ) == Endpoint("tcp://far:2376")


def test_the_context_named_default_is_what_the_environment_says(docker: DockerFolder) -> None:
    assert resolve_endpoint(None, "default", docker.environ) == DEFAULT
    assert resolve_endpoint(None, "default", docker.environ | {"DOCKER_HOST": "tcp://here:1"}).url == "tcp://here:1"


@pytest.mark.parametrize("how", ["-c", "DOCKER_CONTEXT", "currentContext"])
def test_an_unknown_context_is_never_taken_for_the_default(docker: DockerFolder, how: str) -> None:
    if how == "currentContext":
        docker.choose("gone")
    environ = docker.environ | ({"DOCKER_CONTEXT": "gone"} if how == "DOCKER_CONTEXT" else {})
    with pytest.raises(ComposectlError, match="no Docker context `gone`"):
        resolve_endpoint(None, "gone" if how == "-c" else None, environ)


def test_a_context_brings_its_certificates(docker: DockerFolder) -> None:
    folder = docker.add_tls("far")
    endpoint = resolve_endpoint(None, "far", docker.environ)
    assert endpoint.tls == Tls(folder, verify=True)


def test_a_context_may_skip_the_check_of_the_server(docker: DockerFolder) -> None:
    docker.add("lax", Host="tcp://lax:2376", SkipTLSVerify=True)
    assert resolve_endpoint(None, "lax", docker.environ).tls is None
    folder = docker.add_tls("lax")
    assert resolve_endpoint(None, "lax", docker.environ).tls == Tls(folder, verify=False)


def test_a_file_of_dockers_that_cannot_be_read_is_told(docker: DockerFolder) -> None:
    (docker.path / "config.json").write_text("{")
    with pytest.raises(ComposectlError, match=r"cannot read .*config\.json"):
        resolve_endpoint(None, None, docker.environ)


def test_the_environment_brings_certificates(docker: DockerFolder) -> None:
    environ = docker.environ | {"DOCKER_HOST": "tcp://here:1", "DOCKER_TLS_VERIFY": "1"}
    assert resolve_endpoint(None, None, environ).tls == Tls(docker.path, verify=True)
    assert resolve_endpoint(None, None, environ | {"DOCKER_CERT_PATH": "/certs"}).tls == Tls(Path("/certs"))


@pytest.mark.parametrize("url", ["unix:///a.sock", "ssh://me@host", "tcp://[::1]:2375", "npipe:////./pipe/engine"])
def test_h21_every_kind_of_address_is_taken(url: str) -> None:
    assert resolve_endpoint(url, None, {}).url == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ssh://me@far", "me@far"),
        ("ssh://me:secret@far:2222", "-p 2222 me@far"),
        ("ssh://far", "far"),
        ("tcp://far:2376", ""),
        ("unix:///a.sock", ""),
    ],
)
def test_what_to_type_after_ssh_is_known(url: str, words: str) -> None:
    assert Endpoint(url).ssh == words


def test_an_address_without_a_scheme_is_tcp() -> None:
    assert resolve_endpoint("localhost:2375", None, {}).url == "tcp://localhost:2375"


@pytest.mark.parametrize(
    "url",
    ["tcp://", "tcp://host", "tcp://host:port", "unix://", "unix:/a.sock", "ftp://host:1", "ssh://host/path", "x"],
)
def test_a_malformed_address_is_told(url: str) -> None:
    with pytest.raises(ComposectlError, match="invalid Docker Engine address"):
        resolve_endpoint(url, None, {})


def test_compose_is_told_the_same_engine_and_nothing_else() -> None:
    environ = {"DOCKER_CONTEXT": "far", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/old", "PATH": "/bin"}
    assert child_environ(environ, DEFAULT) == {"PATH": "/bin", "DOCKER_HOST": DEFAULT.url}


@pytest.mark.parametrize(("verify", "variable"), [(True, "DOCKER_TLS_VERIFY"), (False, "DOCKER_TLS")])
def test_compose_is_told_the_certificates(verify: bool, variable: str) -> None:
    endpoint = Endpoint("tcp://far:2376", Tls(Path("/certs"), verify))
    variables = {"DOCKER_HOST": "tcp://far:2376", "DOCKER_CERT_PATH": "/certs", variable: "1"}
    assert child_environ({}, endpoint) == variables
    assert resolve_endpoint(None, None, variables) == endpoint


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("unix:///var/run/docker.sock", ""),
        ("npipe:////./pipe/docker_engine", ""),
        ("tcp://far.example:2376", "far.example"),
        ("tcp://[::1]:2376", "::1"),
        ("ssh://me@far.example", "far.example"),
    ],
)
def test_the_machine_that_it_is_on(url: str, host: str) -> None:
    assert Endpoint(url).host == host


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("tcp://far:2376", "tcp://far:2376"),
        ("tcp://me:hunter2@far:2376", "tcp://***@far:2376"),
        ("tcp://hunter2@far:2376", "tcp://***@far:2376"),
        ("tcp://me:hunter2@hunter2@[::1]:2376", "tcp://***@[::1]:2376"),
        ("ssh://me@far", "ssh://me@far"),
        ("ssh://me:hunter2@far:22", "ssh://me:***@far:22"),
        ("unix:///run/me:x@y.sock", "unix:///run/me:x@y.sock"),
        ("npipe:////./pipe/me@x", "npipe:////./pipe/me@x"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_secret(url: str, shown: str) -> None:
    assert Endpoint(url).shown == shown


@pytest.mark.parametrize(
    "url",
    [
        *("http://me:hunter2@far:2376", "tcp://me:hunter2@far", "tcp://me:hunter2/@far:2376", "me:hunter2@far"),
        *("tcp://me:a/hunter2@far:2376", "tcp:/me:hunter2@far:1", "tcp://me:hunter2 x@far", "tcp://me:hunter2@[far:1"),
        *("ssh://me:hunter2@far/path", "ssh://me:x/hunter2@far", "tcp://me:hunter2\n@far"),
    ],
)
def test_an_address_that_is_refused_is_shown_without_its_password(url: str) -> None:
    with pytest.raises(ComposectlError, match="invalid Docker Engine address `") as refused:
        resolve_endpoint(url, None, {})
    assert "hunter2" not in refused.value.message
    assert "***@far" in refused.value.message or "***@[far" in refused.value.message
