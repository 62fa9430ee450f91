"""What can be asserted of a project that stands."""

from __future__ import annotations

from datetime import datetime

from tests.support.http_client import ask
from tests.support.project_shape import Assertion
from tests.support.shaped_project import ShapedProject
from tests.support.wait import wait_until


def answers(*places: str, replicas: int = 2) -> Assertion:
    """Each of these places, `PORT` or `HOST:PORT`, answers, and so many replicas are behind it."""

    def proof(standing: ShapedProject) -> None:
        for place in map(standing.values.fill, places):
            _assert_answers(place, replicas)

    return proof


def answers_at_any_port(service: str) -> Assertion:
    """The listener that stands in no file answers."""

    def proof(standing: ShapedProject) -> None:
        known = set(standing.values.values())
        ports = {listener.rpartition(":")[2] for listener in standing.status(service)["listeners"]}
        unknown = [port for port in ports if not any(_is_in_range(port, value) for value in known)]
        assert len(unknown) == 1
        _assert_answers(unknown[0], 2)

    return proof


def in_each_replica(command: str, service: str = "echo") -> Assertion:
    """This shell command succeeds in each replica."""

    def proof(standing: ShapedProject) -> None:
        replicas = standing.replicas(service)
        assert replicas
        for replica in replicas:
            done = replica.exec_run(["sh", "-c", command])
            assert done.exit_code == 0, done.output.decode()

    return proof


def all_of(*proofs: Assertion) -> Assertion:
    def proof(standing: ShapedProject) -> None:
        for check in proofs:
            check(standing)

    return proof


def has_policy(service: str, policy: str) -> Assertion:
    def proof(standing: ShapedProject) -> None:
        assert standing.status(service)["policy"] == policy

    return proof


def says(words: str) -> Assertion:
    """One line on stderr is this."""

    def proof(standing: ShapedProject) -> None:
        assert standing.values.fill(words) in standing.finished.stderr.splitlines()

    return proof


def runs(service: str, replicas: int) -> Assertion:
    """There are so many containers of it."""

    def proof(standing: ShapedProject) -> None:
        assert len(standing.replicas(service)) == replicas

    return proof


def publishes_itself(service: str, port: str) -> Assertion:
    """Its only replica has this port of the container published by Docker."""

    def proof(standing: ShapedProject) -> None:
        (replica,) = standing.replicas(service)
        published = replica.attrs["NetworkSettings"]["Ports"]
        assert {name for name, places in published.items() if places} == {port}

    return proof


def is_the_same_project_for_compose(standing: ShapedProject) -> None:
    """Compose itself, in the same folder, sees exactly these containers."""
    assert standing.compose_lists() == {container.id for container in standing.project.containers()}


def is_balanced_over_ipv6(standing: ShapedProject) -> None:
    for backend in standing.status("echo")["backends"]:
        assert backend["address"].startswith("[fd")


def comes_after(first: str, service: str = "echo") -> Assertion:
    """Each replica was started after the only container of the other service had ended, well."""

    def proof(standing: ShapedProject) -> None:
        (before,) = standing.replicas(first)
        assert before.attrs["State"]["ExitCode"] == 0
        ended = datetime.fromisoformat(before.attrs["State"]["FinishedAt"])
        assert all(_started(replica.attrs) > ended for replica in standing.replicas(service))

    return proof


# Private


def _assert_answers(place: str, replicas: int) -> None:
    host, _, port = place.rpartition(":")
    backends: set[str | None] = set()

    def all_have_answered() -> bool:
        answer = ask(int(port), host=host.strip("[]") or "localhost")
        assert answer.is_whole
        backends.add(answer.backend)
        return len(backends) >= replicas

    assert wait_until(all_have_answered), f"{place}: {backends}"


def _is_in_range(port: str, known: str) -> bool:
    return known.isdigit() and 0 <= int(port) - int(known) < 4


def _started(attrs: dict[str, dict[str, str]]) -> datetime:
    return datetime.fromisoformat(attrs["State"]["StartedAt"])
