"""Every error that a user can meet: one line, a hint, an exit code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

USAGE = 2
_PASSWORD = re.compile(r"(?<=://)([^\s/@:`]*):[^\s/`]*@")


class ComposectlError(Exception):
    """An error as one line; `hint` is what to do about it, if anything is known."""

    def __init__(self, message: str, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(hide_password(message))
        self.message = hide_password(message)
        self.hint = hide_password(hint)
        self.exit_code = exit_code


class UsageError(ComposectlError):
    """The command line makes no sense."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint, USAGE)


class ReplicasFailed(ComposectlError):
    """The replicas were started, and do not serve."""


class RunsAlready(ComposectlError):
    """Another composectl runs for the project."""

    def __init__(self, project: str, pid: int | None) -> None:
        super().__init__(
            f"composectl is already running for project `{project}`{_of_process(pid)}",
            "use `composectl scale SERVICE=N` to scale, `composectl down` to stop",
        )
        self.project = project


class NothingRuns(ComposectlError):
    """No composectl runs for the project, or none at all."""


class HasEnded(ComposectlError):
    """A running composectl has ended or does not answer; `pid` is its process."""

    def __init__(self, pid: int, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.pid = pid


class NoLeader(ComposectlError):
    """The managers of a swarm cannot be asked, for as long as they have no leader."""


def hide_password(text: str) -> str:
    """`text` with `***` for the password of each address in it (RFC 3986, section 3.2.1)."""
    return _PASSWORD.sub(r"\1:***@", text)


def plural(count: int, noun: str) -> str:
    """`1 replica`, `1,000 replicas`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(words: Iterable[str]) -> str:
    """`` `a`, `b` and `c` ``, of at least one."""
    *others, last = (f"`{word}`" for word in words)
    return f"{', '.join(others)} and {last}" if others else last


def left_out(keys: Sequence[str]) -> str:
    """`` `a` and `b` are left out ``, of at least one."""
    return f"{listed(keys)} {'are' if len(keys) > 1 else 'is'} left out"


def did_you_mean(name: str, kind: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # only a mistake needs it

    close = get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"the {kind} are {', '.join(f'`{name}`' for name in known)}"


def check_spelling(kind: str, name: str, ours: Sequence[str], others: Sequence[str] = ()) -> None:
    """Raise UsageError where an unknown `name` is nearly one of `ours`, and nearer than to `others`."""
    from difflib import get_close_matches

    for close in get_close_matches(name, (*ours, *others), 1, 0.75):
        if close in ours:
            raise UsageError(f"no such {kind} `{name}`", f"did you mean `{close}`?")


def unknown_service(name: str, known: Iterable[str]) -> ComposectlError:
    return ComposectlError(f"no service `{name}` in the compose file", did_you_mean(name, "services", sorted(known)))


def invalid_value(text: str, option: str, expected: str, examples: Iterable[str]) -> ComposectlError:
    first, *others = examples
    rest = "".join(f", `{example}`" for example in others)
    return ComposectlError(
        f"invalid value `{text}` for `{option}`: expected {expected}", f"for example: `{option} {first}`{rest}", USAGE
    )


def udp_port(service: str, protocol: str, port: int, capacity: int, scale: int) -> ComposectlError:
    """`capacity`: how many of the `scale` replicas can bind it at once."""
    return ComposectlError(
        f"service `{service}` publishes {protocol.upper()} port {port}, which {plural(capacity, 'replica')} of {scale}"
        " can bind",
        "composectl balances TCP: use `--drop-udp` to leave the port unpublished, or move it to another service",
    )


def too_few_ports(service: str, place: str, capacity: int, scale: int, remedy: str) -> ComposectlError:
    """`place`: the port that only `capacity` of `scale` replicas can bind; `remedy`: options of `up`, if any help."""
    return ComposectlError(
        f"service `{service}` publishes {place}, which {plural(capacity, 'replica')} of {scale} can bind",
        f"composectl balances the port over all replicas: `composectl up {remedy}`"
        if remedy
        else f"publish a range of {scale} ports, or run {plural(capacity, 'replica')}",
    )


def port_taken(address: str, owner: str) -> ComposectlError:
    by = f" by {owner}" if owner else ""
    return ComposectlError(
        f"cannot listen on {address}: address already in use{by}", "free the port, or use `--listen` with another one"
    )


def not_a_compose(command: str) -> ComposectlError:
    return ComposectlError(
        f"`{command}` is not Compose: it prints no Compose version",
        "COMPOSECTL_COMPOSE names a path or `docker compose`",
    )


def no_project() -> ComposectlError:
    return ComposectlError("Compose's `config` printed no project", "`composectl config` shows the output")


def compose_failed(command: str, exit_code: int, message: str = "", hint: str = "") -> ComposectlError:
    return ComposectlError(message or f"`{command}` failed with exit code {exit_code}", hint, exit_code)


def no_engine(endpoint: str) -> ComposectlError:
    return ComposectlError(f"cannot connect to the Docker Engine at {endpoint}", "is it running? try `docker info`")


def no_manager(endpoint: str, *, in_swarm: bool) -> ComposectlError:
    return ComposectlError(
        f"the Docker Engine at {endpoint} is no manager of a swarm",
        "run composectl on a manager: `docker node ls` works there"
        if in_swarm
        else "make it one: `docker swarm init`, or join one: `docker swarm join`",
    )


def no_leader(endpoint: str, reason: str) -> NoLeader:
    return NoLeader(
        f"the managers of the swarm cannot be asked at {endpoint}: {reason}",
        "more than half of the managers must be up: `docker node ls` lists them",
    )


def no_swarm_service(name: str) -> ComposectlError:
    return ComposectlError(f"no service `{name}` in the swarm", "`docker service ls` lists them")


def deployed_elsewhere(service: str, node: str) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` was deployed by composectl on node `{node}`",
        f"change it there, or follow it here: `composectl proxy --swarm-service {service}`",
    )


def bad_certificates(folder: str, reason: str) -> ComposectlError:
    return ComposectlError(
        f"cannot use the certificates in {folder}: {reason}",
        "the folder must hold ca.pem, cert.pem and key.pem in PEM format, and the key must match the certificate",
    )


def engine_failed(endpoint: str, message: str) -> ComposectlError:
    return ComposectlError(f"the Docker Engine at {endpoint} failed: {message}")


def bad_docker_file(path: str, reason: str) -> ComposectlError:
    return ComposectlError(f"cannot read {path}: {reason}", "repair Docker's file, or name the engine with `-H`")


def not_in_a_unit(what: str) -> ComposectlError:
    return ComposectlError(
        f"invalid text for a systemd unit: {what}", "use names of files and folders without control characters"
    )


def password_in_a_unit(address: str) -> ComposectlError:
    return ComposectlError(
        f"`{address}` holds a password, and a systemd unit is no place for it",
        "name the engine by a Docker context: `docker context create`, then `composectl -c NAME systemd-unit ...`",
    )


def nothing_exposed(what: str) -> ComposectlError:
    """`what`: a service or a container, as a phrase."""
    return ComposectlError(
        f"{what} exposes no TCP port: the target port is unknown",
        "add `expose:` to the compose file or EXPOSE to the image, or use `--port 9090`",
    )


def rollout_stopped(service: str, reason: str, log: Sequence[str], new: int, desired: int) -> ReplicasFailed:
    """`reason` is a sentence about the new replica; `new` of `desired` replicas are new."""
    lines = "".join(f"\n  {line}" for line in log)
    serve = "the old replicas still serve" if not new else f"{new} of {desired} replicas are new, the others are old"
    return ReplicasFailed(
        f"rollout of `{service}` aborted: {reason}{f'; its last lines:{lines}' if lines else '; no output'}",
        f"{serve}; fix the cause and run `composectl rollout {service}`",
    )


def not_added(service: str, reason: str) -> ComposectlError:
    """Compose did not create the new replicas: `reason`, as a sentence."""
    return ComposectlError(
        f"rollout of `{service}` aborted: {reason}",
        f"the old replicas still serve; fix the cause and run `composectl rollout {service}`",
    )


def canary_paused(service: str) -> ComposectlError:
    return ComposectlError(
        f"the rollout of service `{service}` is paused at its canary",
        f"run `composectl rollout {service} --promote` or `--abort`",
    )


def name_taken(name: str, pid: int | None) -> ComposectlError:
    return ComposectlError(
        f"proxy `{name}` is already running{_of_process(pid)}",
        f"stop it with `composectl -p {name} down`, or choose another `--name`",
    )


def fixed_backends(name: str) -> ComposectlError:
    return ComposectlError(
        f"the backends of proxy `{name}` are fixed",
        f"stop it with `composectl -p {name} down`, and start it with other `--backend`s",
    )


def no_logs(name: str) -> ComposectlError:
    return ComposectlError(
        f"proxy `{name}` starts no containers: there are no logs", "read the logs where the backends were started"
    )


def not_balanced(service: str, balanced: Iterable[str]) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` is not balanced",
        f"balanced services: {', '.join(f'`{name}`' for name in sorted(balanced))}",
    )


def no_more_workers(pid: int) -> ComposectlError:
    return ComposectlError(
        f"process {pid}, which starts the workers of composectl, has ended", "start composectl again"
    )


def other_composectl(pid: int, status: int) -> ComposectlError:
    return ComposectlError(
        f"the running composectl (process {pid}) has an incompatible version (HTTP {status})",
        "stop it with `composectl down`",
    )


def has_ended(pid: int) -> HasEnded:
    return HasEnded(
        pid,
        f"lost the connection to composectl (process {pid})",
        "run `composectl status`; if none runs, `composectl up` takes over the replicas",
    )


def no_state_folder(path: str, reason: str, variable: str) -> ComposectlError:
    return ComposectlError(f"cannot write in {path}: {reason}", f"set {variable} to a writable folder")


def no_session_key(path: str, reason: str) -> ComposectlError:
    return ComposectlError(
        f"cannot use the session key {path}: {reason}", "remove it: a new one is made, and sessions move"
    )


# Private


def _of_process(pid: int | None) -> str:
    return "" if pid is None else f" (process {pid})"
