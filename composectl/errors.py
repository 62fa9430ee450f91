"""Every error that a user can meet: one line, a hint, an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

USAGE = 2


class ComposectlError(Exception):
    """An error as one line; `hint` is what to do about it, if anything is known."""

    def __init__(self, message: str, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class UsageError(ComposectlError):
    """The command line makes no sense."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint, USAGE)


class ReplicasFailed(ComposectlError):
    """The replicas were started, and do not serve."""


class RunsAlready(ComposectlError):
    """Another composectl runs for the project."""

    def __init__(self, project: str, pid: int) -> None:
        super().__init__(
            f"composectl already runs for project `{project}` (process {pid})",
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


# What was asked for


def unknown_service(name: str, known: Iterable[str]) -> ComposectlError:
    return ComposectlError(f"no service `{name}` in the compose file", did_you_mean(name, "services", sorted(known)))


def invalid_value(text: str, option: str, expected: str, examples: Iterable[str]) -> ComposectlError:
    first, *others = examples
    rest = "".join(f", `{one}`" for one in others)
    return ComposectlError(
        f"invalid value `{text}` for `{option}`: expected {expected}", f"for example: `{option} {first}`{rest}", USAGE
    )


def balanced_twice(service: str) -> ComposectlError:
    return ComposectlError(f"duplicate service `{service}`", "use `--balance SERVICE=N` once per service", USAGE)


def fixed_and_followed(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` cannot be combined with `--backend`",
        "fixed backends have their own ports: omit one of the two",
        USAGE,
    )


def no_slow_start_by_source(slow_start: str, policy: str) -> ComposectlError:
    return ComposectlError(
        f"`{slow_start}` cannot be combined with `{policy} source`: a client would not stay with its backend",
        "omit one of the two",
        USAGE,
    )


def udp_port(service: str, protocol: str, port: int, room: int, scale: int) -> ComposectlError:
    """`room`: how many replicas can hold it at once, of `scale` that are to come."""
    most = "one replica" if room == 1 else f"{room} replicas"
    return ComposectlError(
        f"service `{service}` publishes {protocol.upper()} port {port}, which {most} of {scale} can bind",
        "composectl balances TCP: use `--drop-udp` to leave the port unpublished, or move it to another service",
    )


# What the compose file says under `x-balance`


def other_target(service: str, port: int, published: Iterable[int]) -> ComposectlError:
    targets = ", ".join(map(str, published))
    return ComposectlError(
        f"service `{service}` does not publish container port {port}: it publishes {targets}",
        "`port` is the container's port; `listen` names the host's",
    )


# Listeners


def port_taken(address: str, holder: str, hint: str = "") -> ComposectlError:
    by = f" by {holder}" if holder else ""
    return ComposectlError(
        f"cannot listen on {address}: address already in use{by}",
        hint or "free the port, or use `--listen` with another one",
    )


def port_forbidden(address: str) -> ComposectlError:
    return ComposectlError(
        f"cannot listen on {address}: permission denied",
        "ports below 1024 need root or CAP_NET_BIND_SERVICE; `--listen 8080` uses another port",
    )


def no_such_address(address: str) -> ComposectlError:
    return ComposectlError(
        f"cannot listen on {address}: address not available", "use `--listen` with an address of this machine"
    )


def no_metrics(why: ComposectlError) -> ComposectlError:
    return ComposectlError(f"cannot serve metrics: {why.message}", "use `--metrics [HOST:]PORT` with another port")


def no_dashboard(why: ComposectlError) -> ComposectlError:
    return ComposectlError(
        f"cannot serve the dashboard: {why.message}", "use `--dashboard [HOST:]PORT` with another port"
    )


# Compose


def not_a_compose(command: str) -> ComposectlError:
    return ComposectlError(
        f"`{command}` is not Compose: it prints no Compose version",
        "COMPOSECTL_COMPOSE names a path or `docker compose`",
    )


def no_project() -> ComposectlError:
    return ComposectlError("Compose's `config` printed no project", "`composectl config` shows the output")


def compose_failed(command: str, exit_code: int, words: str = "", hint: str = "") -> ComposectlError:
    return ComposectlError(words or f"`{command}` failed with exit code {exit_code}", hint, exit_code)


# The engine


def no_engine(endpoint: str) -> ComposectlError:
    return ComposectlError(f"cannot connect to the Docker Engine at {endpoint}", "is it running? try `docker info`")


def bad_certificates(folder: str, why: str) -> ComposectlError:
    return ComposectlError(
        f"cannot use the certificates in {folder}: {why}",
        "the folder must hold ca.pem, cert.pem and key.pem in PEM format, and the key must match the certificate",
    )


def engine_failed(endpoint: str, words: str) -> ComposectlError:
    return ComposectlError(f"the Docker Engine at {endpoint} failed: {words}")


def bad_docker_file(path: str, why: str) -> ComposectlError:
    return ComposectlError(f"cannot read {path}: {why}", "repair Docker's file, or name the engine with `-H`")


# Shells and systemd


def not_in_a_unit(what: str) -> ComposectlError:
    return ComposectlError(
        f"invalid text for a systemd unit: {what}", "use names of files and folders without control characters"
    )


# What `composectl doctor` finds


# Replicas that are followed


def nothing_exposed(who: str) -> ComposectlError:
    """`who`: a service or a container, as a phrase."""
    return ComposectlError(
        f"{who} exposes no TCP port: the target port is unknown",
        "add `expose:` to the compose file or EXPOSE to the image, or use `--port 9090`",
    )


# Replicas


def rollout_stopped(service: str, why: str, log: Sequence[str], new: int, wanted: int) -> ReplicasFailed:
    """`why` is a sentence about the new replica; `new` of `wanted` replicas are new."""
    lines = "".join(f"\n  {line}" for line in log)
    serve = "the old replicas still serve" if not new else f"{new} of {wanted} replicas are new, the others are old"
    return ReplicasFailed(
        f"rollout of `{service}` aborted: {why}{f'; its last lines:{lines}' if lines else '; no output'}",
        f"{serve}; fix the cause and run `composectl rollout {service}`",
    )


def not_added(service: str, why: str) -> ComposectlError:
    """Compose did not create the new replicas: `why`, as a sentence."""
    return ComposectlError(
        f"rollout of `{service}` aborted: {why}",
        f"the old replicas still serve; fix the cause and run `composectl rollout {service}`",
    )


def canary_held(service: str) -> ComposectlError:
    return ComposectlError(
        f"the rollout of service `{service}` is paused at its canary",
        f"run `composectl rollout {service} --promote` or `--abort`",
    )


# Running composectls


def name_taken(name: str, pid: int) -> ComposectlError:
    return ComposectlError(
        f"proxy `{name}` is already running (process {pid})",
        f"stop it with `composectl -p {name} down`, or choose another `--name`",
    )


def fixed_backends(name: str) -> ComposectlError:
    return ComposectlError(
        f"the backends of proxy `{name}` are fixed",
        f"stop it with `composectl -p {name} down`, and start it with other `--backend`s",
    )


def not_balanced(service: str, balanced: Iterable[str]) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` is not balanced",
        f"balanced services: {', '.join(f'`{one}`' for one in sorted(balanced))}",
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


def watched_has_ended(pid: int) -> ComposectlError:
    return ComposectlError(
        f"composectl (process {pid}) has ended",
        "`composectl logs --balancer` shows why, if it ran in the background",
    )


def no_state_folder(path: str, why: str, variable: str) -> ComposectlError:
    return ComposectlError(f"cannot write a log in {path}: {why}", f"set {variable} to a writable folder")


# Private


def did_you_mean(name: str, kind: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # only a mistake needs it

    close = get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"the {kind} are {', '.join(f'`{one}`' for one in known)}"
