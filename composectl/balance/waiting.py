"""Why a replica is not ready: what the engine and the health checks know of it, in one value."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from composectl.balance.backend import Backend, ContainerHealth
from composectl.balance.phase import Phase
from composectl.errors import plural

HEALTHCHECK = "HEALTHCHECK"
RUNNING = "running"
_WAITS = (Phase.STARTING, Phase.UNHEALTHY)
_LOOPBACK = ("127.", "::1")
_MISSING = re.compile(r"executable file not found|sh: .*not found|exec.*no such file", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Condition:
    """A container that may not be well, as the engine describes it.

    `state` is Docker's word; "" where there is no container. `exit_code`: of its last run, None before the first end.
    `error`: why the engine could not start it. `health`: Docker's word, "" without a HEALTHCHECK. `listening`: the
    addresses and ports on which its processes accept connections, None where that is not known.
    """

    id: str
    service: str
    number: int
    name: str
    state: str = ""
    exit_code: int | None = None
    restarts: int = 0
    error: str = ""
    health: str = ""
    health_failures: int = 0
    health_output: str = ""
    last_lines: tuple[str, ...] = ()
    listening: tuple[tuple[str, int], ...] | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a replica is not ready.

    `check`: what has to pass, as `port 80`, `GET /health at port 80` or `HEALTHCHECK`; "" where no container runs.
    `error`: how it failed last. `hint`: what to do; "" where nothing is known. The rest is as in `Condition`.
    """

    service: str
    number: int
    id: str
    name: str
    check: str
    error: str
    hint: str = ""
    state: str = ""
    exit_code: int | None = None
    restarts: int = 0
    health_output: str = ""
    last_lines: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What is known, on one line, without anything that the container printed."""
        facts = [self.error] if self.error else []
        if self.exit_code is not None:
            facts.append(f"{'last ' if self.check else ''}exit code {self.exit_code}")
        if self.restarts:
            facts.append(plural(self.restarts, "restart"))
        state = "restarting" if self.state == RUNNING and self.restarts else self.state  # for a moment it runs again
        return ": ".join(filter(None, (self.check or state, ", ".join(facts))))

    @property
    def sentence(self) -> str:
        """The reason, with the last line of what the HEALTHCHECK printed."""
        output = self.health_output.rpartition("\n")[2] if self.check == HEALTHCHECK else ""
        return f"{self.reason}: {output}" if output else self.reason


@dataclass(frozen=True, slots=True)
class PortCheck:
    """What has to pass where Docker checks nothing: `subject` in words, and the container's port.

    `port` is None where each backend has its own; `published`: all container ports that are balanced.
    """

    subject: str
    port: int | None
    published: Collection[int] = ()


def explain(
    backends: Iterable[Backend], desired: int, conditions: Iterable[Condition], check: PortCheck
) -> tuple[Waiting, ...]:
    """Why the replicas of one service are not ready, by number; empty where all that are desired are, or are leaving.

    A container that is no backend is told of where backends are missing, or where it starts over and over.
    """
    known = {condition.id: condition for condition in conditions}
    found = list(backends)
    waiting = [_of_backend(backend, known.get(backend.replica.id), check) for backend in found if waits(backend)]
    others = known.keys() - {backend.replica.id for backend in found}
    is_short = len(found) < desired
    waiting += [explain_container(known[id_]) for id_ in others if is_short or known[id_].restarts]
    return tuple(sorted(waiting, key=lambda replica: (replica.number, replica.name)))


def explain_container(condition: Condition) -> Waiting:
    """Why this container is not well."""
    if condition.state == RUNNING:
        if condition.health not in ("", "healthy"):
            return _waiting(condition, HEALTHCHECK, _health_error(condition))
        return _waiting(condition, "", "" if condition.restarts else "no address yet")
    return _waiting(condition, "", condition.error)


def waits(backend: Backend) -> bool:
    """Whether a check has to pass before it gets requests."""
    return backend.phase in _WAITS


# Private


def _of_backend(backend: Backend, condition: Condition | None, check: PortCheck) -> Waiting:
    replica = backend.replica
    if condition is None:
        condition = Condition(replica.id, "", replica.number, replica.name)
    if condition.state not in ("", RUNNING):
        return explain_container(condition)
    if replica.health is ContainerHealth.UNHEALTHY:
        return _waiting(condition, HEALTHCHECK, _health_error(condition))
    if not backend.check_error:
        crashes = condition.state == RUNNING and condition.restarts > 0
        return explain_container(condition) if crashes else _waiting(condition, check.subject, "not checked yet")
    error, (fact, hint) = backend.check_error, _explain_port(condition, check)
    return _waiting(condition, check.subject, f"{error}, {fact}" if fact else error, hint)


def _waiting(condition: Condition, check: str, error: str, hint: str = "") -> Waiting:
    if check == HEALTHCHECK and _MISSING.search(condition.health_output):
        hint = "install the command of the HEALTHCHECK in the image, or use one that is there"
    return Waiting(
        condition.service,
        condition.number,
        condition.id[:12],
        condition.name,
        check,
        error,
        hint,
        condition.state,
        condition.exit_code,
        condition.restarts,
        condition.health_output,
        condition.last_lines,
    )


def _health_error(condition: Condition) -> str:
    failed = condition.health_failures
    if not failed:
        return condition.health or "not passed yet"
    return f"{condition.health}, failed {'once' if failed == 1 else f'{failed} times'}"


def _explain_port(condition: Condition, check: PortCheck) -> tuple[str, str]:
    """What the container's listeners tell of a port that does not answer, and what to do."""
    if condition.listening is None or check.port is None:
        return "", ""
    hosts = [host for host, port in condition.listening if port == check.port]
    if hosts and all(map(_is_loopback, hosts)):
        fact = f"the container listens on {hosts[0]} alone, which is not reached from outside of it"
        return fact, "make it listen on 0.0.0.0, not on 127.0.0.1"
    if hosts:
        return "", ""
    if not condition.listening:
        return "nothing listens in the container", ""
    open_ports = sorted({port for host, port in condition.listening if not _is_loopback(host)})
    if not open_ports:
        host, port = condition.listening[0]
        return f"the container listens on {host}:{port} alone", f"make it listen on 0.0.0.0:{check.port}"
    fact = f"the container listens on port {' and '.join(map(str, open_ports))}"
    for port in open_ports:
        if port in check.published:
            return fact, f"put port {port} first under `ports:`, or write `port: {port}` under `x-balance:`"
    return fact, f"publish the port on which it listens: `HOST_PORT:{open_ports[0]}`"


def _is_loopback(host: str) -> bool:
    return host.startswith(_LOOPBACK)
