"""Two services of a real project share a port: by their hosts and paths in the file, or on the command line."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask

PLAIN = """\
version: "3.7"
services:
  web:
    image: {image}
    ports:
      - "{port}:9090"
  api:
    image: {image}
    ports:
      - "{port}:9090"
"""

DECLARED = """\
services:
  web:
    image: {image}
    x-balance: 2
    ports:
      - "{port}:9090"
  api:
    image: {image}
    x-balance:
      replicas: 2
      domain: ["api.test", "*.api.test"]
      path: /v1
      strip_path: true
      rate_limit: 3/h
      response_header: {{X-Service: api}}
    ports:
      - "{port}:9090"
"""


def addresses(project: ComposeProject, service: str) -> set[str]:
    return {backend["address"] for backend in project.status(service)["backends"]}


def answered_by(project: ComposeProject, path: str, host: str) -> str | None:
    return ask(project.port, path, Host=host).backend


@pytest.mark.parametrize("compose", ["1.29.2", "v2"], indirect=True)
@pytest.mark.slow
def test_routes_on_the_command_line_choose_the_service(project: ComposeProject) -> None:
    project.write(PLAIN)
    words = ("--route", "web=web.test", "--route", "api=/api")
    project.run("up", "--balance", "web=2", "--balance", "api=2", *words, "-d")
    web, api = addresses(project, "web"), addresses(project, "api")
    assert {answered_by(project, "/", "web.test") for _ in range(4)} == web
    assert {answered_by(project, "/api/x", "other.test") for _ in range(4)} == api
    missing = ask(project.port, "/", Host="other.test")
    assert (missing.status, missing.headers["X-Composectl-Error"]) == (404, "no-route")
    project.run("scale", "api=1")
    assert answered_by(project, "/api", "other.test") in api
    project.run("rollout", "web", "--monitor", "0")
    assert answered_by(project, "/", "web.test") in addresses(project, "web")
    listeners = project.status("web")["listeners"]
    project.run("up", "--balance", "web=2", "--balance", "api=1", *words, "-d", "--handover")
    assert listeners
    assert [project.status(service)["listeners"] for service in ("web", "api")] == [listeners] * 2


@pytest.mark.one_process
@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_routes_of_the_file_choose_the_service_and_its_guards(project: ComposeProject) -> None:
    project.write(DECLARED)
    project.run("up", "-d")
    web, api = addresses(project, "web"), addresses(project, "api")
    assert answered_by(project, "/v1", "web.test") in web
    answers = [ask(project.port, "/v1?y=z", Host="A.api.test:80") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert {answer.backend for answer in answers[:2]} == api
    assert "\nGET /?y=z\n" in answers[0].text
    assert "\nX_FORWARDED_PREFIX=/v1\n" in answers[0].text
    assert answers[0].headers["X-Service"] == "api"
    shown_web, shown_api = project.status("web"), project.status("api")
    assert shown_web["listeners"] == shown_api["listeners"]
    assert shown_api["totals"]["bad_requests"] == {"rate-limited": 1}
    assert shown_web["totals"]["bad_requests"] == {}
    assert (shown_web["totals"]["requests"], shown_api["totals"]["requests"]) == (1, 3)


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_one_route_of_two_services_is_refused_and_nothing_is_touched(project: ComposeProject) -> None:
    project.write(PLAIN.removeprefix('version: "3.7"\n'))
    words = ("--route", "web=shop.test", "--route", "api=shop.test")
    error = cli_error_of(project, "up", "--balance", "web=2", "--balance", "api=2", *words, "-d")
    assert error.exit_code == 2
    assert "both have the route `shop.test`" in error.message


ENCRYPTED = """\
services:
  web:
    image: {image}
    x-balance:
      replicas: 1
      domain: web.test
    ports:
      - "{port}:9090"
  api:
    image: {image}
    x-balance:
      replicas: 1
      domain: "*.api.test"
    ports:
      - "{port}:9090"
"""


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.parametrize(
    "words",
    [pytest.param((), id="alone"), pytest.param(("--workers", "2"), id="workers", marks=pytest.mark.slow)],
)
def test_one_port_has_certificates_for_the_names_of_all(project: ComposeProject, words: tuple[str, ...]) -> None:
    project.write(ENCRYPTED)
    project.run("up", "--tls", "internal", *words, "-d")

    def curl(host: str, *options: str) -> tuple[str, ...]:
        """The version of HTTP, the status and the backend; the certificate is verified for this host."""
        shown = "%{http_version} %{http_code} %header{x-internal-service}"
        root = project.state / "composectl" / "certificates" / "authority.crt"
        words = ("--silent", "--output", "/dev/null", "--write-out", shown, "--cacert", str(root))
        place = ("--resolve", f"{host}:{project.port}:127.0.0.1", f"https://{host}:{project.port}/")
        return tuple(subprocess.check_output(["curl", *words, *options, *place], text=True).split())

    (web,), (api,) = addresses(project, "web"), addresses(project, "api")
    for _ in range(12):  # of each worker
        assert curl("web.test") == ("2", "200", web)
        assert curl("v1.api.test", "--http1.1") == ("1.1", "200", api)
    assert curl("web.test", "--header", "Host: v1.api.test") == ("2", "200", api)
    assert curl("web.test", "--header", "Host: other.test") == ("2", "421")
