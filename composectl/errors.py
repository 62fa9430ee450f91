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
    return ComposectlError(f"no service `{name}` in the compose file", _meant(name, "services", sorted(known)))


def invalid_value(text: str, option: str, expected: str, examples: Iterable[str]) -> ComposectlError:
    first, *others = examples
    rest = "".join(f", `{one}`" for one in others)
    return ComposectlError(
        f"invalid value `{text}` for `{option}`: expected {expected}", f"for example: `{option} {first}`{rest}", USAGE
    )


def unknown_value(text: str, option: str, known: Sequence[str]) -> ComposectlError:
    return ComposectlError(
        f"invalid value `{text}` for `{option}`: expected {', '.join(known[:-1])} or {known[-1]}",
        _meant(text, "values", sorted(known)),
        USAGE,
    )


def requires(option: str, other: str) -> ComposectlError:
    return ComposectlError(f"`{option}` requires `{other}`", f"add `{other}`, or omit `{option}`", USAGE)


def backend_address_stays(asked: str, used: str) -> ComposectlError:
    return ComposectlError(
        f"`--backend-address {asked}` cannot be combined with `--handover`: the replicas are reached by `{used}`",
        "omit `--backend-address`, or stop the running composectl: `composectl down`",
        USAGE,
    )


def bad_scale(text: str) -> ComposectlError:
    return ComposectlError(f"invalid scale `{text}`: expected SERVICE=N", "for example: `echo=10`", USAGE)


def too_many_replicas(service: str, most: int) -> ComposectlError:
    return ComposectlError(
        f"too many replicas of service `{service}`: the maximum is {most:,}",
        "a Linux bridge network holds 1,023 containers",
        USAGE,
    )


def balanced_twice(service: str) -> ComposectlError:
    return ComposectlError(f"duplicate service `{service}`", "use `--balance SERVICE=N` once per service", USAGE)


def listen_where() -> ComposectlError:
    return ComposectlError("missing option `--listen`", "for example: `--listen 8080`", USAGE)


def whom_to_follow(variable: str) -> ComposectlError:
    return ComposectlError(
        "missing option: `--backend HOST:PORT` or `--service NAME`",
        f"`--service NAME` follows the replicas of a service, as {variable}=NAME in the environment does",
        USAGE,
    )


def fixed_and_followed(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` cannot be combined with `--backend`",
        "fixed backends have their own ports: omit one of the two",
        USAGE,
    )


def given_twice(option: str, text: str) -> ComposectlError:
    return ComposectlError(f"duplicate `{option} {text}`", "omit one of the two", USAGE)


def no_slow_start_by_source(slow_start: str, policy: str) -> ComposectlError:
    return ComposectlError(
        f"`{slow_start}` cannot be combined with `{policy} source`: a client would not stay with its backend",
        "omit one of the two",
        USAGE,
    )


def log_in_background() -> ComposectlError:
    return ComposectlError(
        "`--access-log -` cannot be combined with `-d`: a background process has no stdout",
        "name a file instead",
        USAGE,
    )


def header_needs_json(name: str) -> ComposectlError:
    return ComposectlError(
        f"the format `combined` cannot log the header `{name}`: it holds Referer and User-Agent only",
        "use `--access-log-format json`",
        USAGE,
    )


def log_not_opened(path: str, why: str) -> ComposectlError:
    return ComposectlError(f"cannot open the access log {path}: {why}", "name a file that is writable", USAGE)


def listen_for_whom() -> ComposectlError:
    return ComposectlError(
        "`--listen` is ambiguous: several services are balanced",
        "omit `--listen`: each service is served on the ports that it publishes",
        USAGE,
    )


def no_target(service: str) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` publishes no TCP port: the target port is unknown",
        "name the target after the listener: `--listen 8080:80`",
    )


def needs_balance(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` requires `--balance`",
        "for example: `--balance echo=10`, or `x-balance: 10` in the compose file",
        USAGE,
    )


def no_tcp_port(service: str) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` publishes no TCP port",
        "name the host port and the container port: `--listen 8080:80`",
    )


def udp_port(service: str, protocol: str, port: int, room: int, scale: int) -> ComposectlError:
    """`room`: how many replicas can hold it at once, of `scale` that are to come."""
    most = "one replica" if room == 1 else f"{room} replicas"
    return ComposectlError(
        f"service `{service}` publishes {protocol.upper()} port {port}, which {most} of {scale} can bind",
        "composectl balances TCP: use `--drop-udp` to leave the port unpublished, or move it to another service",
    )


def same_port(address: str, services: Sequence[str]) -> ComposectlError:
    whose = " and ".join(f"`{service}`" for service in dict.fromkeys(services))
    return ComposectlError(f"{address} is published twice, by {whose}", "change one of the two ports")


def odd_port(service: str, entry: str) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` publishes an invalid port `{entry}`",
        "for example: `8080:80`, `127.0.0.1:8080:80`, `8000-8009:80/udp`",
    )


def no_address_of_its_own(service: str, mode: str) -> ComposectlError:
    return ComposectlError(
        f"the replicas of service `{service}` share one address (`network_mode: {mode}`)",
        "remove `network_mode`: each replica then joins the project's network",
    )


def not_detachable(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` cannot be combined with `--balance` or `x-balance`: composectl shows the table, not the logs",
        "`composectl logs -f` shows the logs from another terminal",
        USAGE,
    )


def starts_nothing(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` cannot be combined with `--balance`: it starts no replicas",
        f"`composectl up {option}` without `--balance` is passed to Compose",
        USAGE,
    )


# What the compose file says under `x-balance`


def bad_declaration(service: str, error: ComposectlError) -> ComposectlError:
    """`error` is what is wrong under the `x-balance` of this service."""
    return ComposectlError(f"`x-balance` of service `{service}`: {error.message}", error.hint)


def declaration_lost(service: str) -> ComposectlError:
    return ComposectlError(
        f"docker-compose 1 drops the `x-balance` of service `{service}`, which several files or `extends` define",
        f"use `--balance {service}=10`, or Compose v2",
    )


def neither_number_nor_mapping(text: str) -> ComposectlError:
    return ComposectlError(
        f"invalid value `{text}`: expected a number of replicas or a mapping",
        "for example: `x-balance: 10`, or `x-balance: {replicas: 10, policy: p2c}`",
    )


def unknown_key(key: str, known: Iterable[str]) -> ComposectlError:
    return ComposectlError(f"no key `{key}`", _meant(key, "keys", sorted(known)))


def not_one_value(key: str) -> ComposectlError:
    return ComposectlError(f"`{key}:` takes a single value", f"for example: `{key}: ...`")


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


def too_many_connections(asked: int, most: int) -> ComposectlError:
    return ComposectlError(
        f"`--max-connections {asked}` exceeds the limit of open files, which allows {most}",
        "`ulimit -Hn` shows the limit: each client takes one file, and a second one during a request",
        USAGE,
    )


def unknown_host(host: str) -> ComposectlError:
    return ComposectlError(f"cannot resolve host `{host}`", "use `--listen` with an address of this machine")


def no_metrics(why: ComposectlError) -> ComposectlError:
    return ComposectlError(f"cannot serve metrics: {why.message}", "use `--metrics [HOST:]PORT` with another port")


def no_dashboard(why: ComposectlError) -> ComposectlError:
    return ComposectlError(
        f"cannot serve the dashboard: {why.message}", "use `--dashboard [HOST:]PORT` with another port"
    )


# Compose


def no_compose() -> ComposectlError:
    return ComposectlError(
        "neither `docker compose` nor `docker-compose` is installed",
        "install Docker's Compose plugin, or name a Compose in COMPOSECTL_COMPOSE",
    )


def not_a_compose(command: str) -> ComposectlError:
    return ComposectlError(
        f"`{command}` is not Compose: it prints no Compose version",
        "COMPOSECTL_COMPOSE names a path or `docker compose`",
    )


def no_project() -> ComposectlError:
    return ComposectlError("Compose's `config` printed no project", "`composectl config` shows the output")


def no_project_name(called: str) -> ComposectlError:
    return ComposectlError(
        f"invalid project name `{called}`: docker-compose 1 keeps lower-case letters, digits, `-` and `_`",
        "name the project with `-p NAME`",
    )


def compose_failed(command: str, exit_code: int, words: str = "", hint: str = "") -> ComposectlError:
    return ComposectlError(words or f"`{command}` failed with exit code {exit_code}", hint, exit_code)


# The engine


def no_engine(endpoint: str) -> ComposectlError:
    return ComposectlError(f"cannot connect to the Docker Engine at {endpoint}", "is it running? try `docker info`")


def engine_forbidden(endpoint: str) -> ComposectlError:
    return ComposectlError(
        f"permission denied: Docker Engine at {endpoint}",
        "join the group `docker`, or use sudo; in a container, add the socket's group with `group_add:`",
    )


def engine_speaks_tls(endpoint: str) -> ComposectlError:
    return ComposectlError(
        f"the Docker Engine at {endpoint} speaks TLS",
        "set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH to the certificates' folder, or use a context with certificates",
    )


def engine_speaks_no_tls(endpoint: str) -> ComposectlError:
    return ComposectlError(
        f"the server at {endpoint} does not speak TLS",
        "unset DOCKER_TLS_VERIFY and DOCKER_TLS, or name the TLS port, usually 2376",
    )


def engine_not_trusted(endpoint: str, why: str, folder: str) -> ComposectlError:
    return ComposectlError(
        f"the certificate of the Docker Engine at {endpoint} is not trusted: {why}",
        f"the certificate must be in date, for this name, and signed by {folder}/ca.pem",
    )


def not_trusted_by_engine(endpoint: str, folder: str) -> ComposectlError:
    return ComposectlError(
        f"the Docker Engine at {endpoint} rejected the client certificate",
        f"check the dates and the issuer of {folder}/cert.pem: "
        f"`openssl x509 -noout -dates -issuer -in {folder}/cert.pem`",
    )


def bad_certificates(folder: str, why: str) -> ComposectlError:
    return ComposectlError(
        f"cannot use the certificates in {folder}: {why}",
        "the folder must hold ca.pem, cert.pem and key.pem in PEM format, and the key must match the certificate",
    )


def over_ssh(endpoint: str, words: str) -> ComposectlError:
    """`words`: the arguments of `ssh` that lead to the engine."""
    return ComposectlError(
        f"cannot balance over ssh: the containers of the engine at {endpoint} are not reachable from here",
        f"run composectl there: `ssh {words} composectl ...`; Compose's own commands (`ps`, `logs`, ...) work over ssh",
    )


def unknown_context(name: str, known: Iterable[str] = ()) -> ComposectlError:
    return ComposectlError(f"no Docker context `{name}`", _meant(name, "contexts", ["default", *sorted(known)]))


def host_and_context(host: str, context: str) -> ComposectlError:
    return ComposectlError(
        f"`-H {host}` and `-c {context}` name two engines", "omit one of the two, as with `docker`", USAGE
    )


def bad_endpoint(endpoint: str, why: str) -> ComposectlError:
    return ComposectlError(
        f"invalid Docker Engine address `{endpoint}`: {why}", "for example: unix:///var/run/docker.sock"
    )


def engine_failed(endpoint: str, words: str) -> ComposectlError:
    return ComposectlError(f"the Docker Engine at {endpoint} failed: {words}")


def engine_hung_up(endpoint: str) -> ComposectlError:
    return ComposectlError(f"lost the event stream of the Docker Engine at {endpoint}")


def bad_docker_file(path: str, why: str) -> ComposectlError:
    return ComposectlError(f"cannot read {path}: {why}", "repair Docker's file, or name the engine with `-H`")


# Shells and systemd


def unknown_shell(name: str, known: Iterable[str]) -> ComposectlError:
    return ComposectlError(f"no completion for `{name}`", _meant(name, "shells", sorted(known)), USAGE)


def in_the_foreground() -> ComposectlError:
    return ComposectlError(
        "`-d` cannot be combined with `systemd-unit`: systemd runs the unit in the background", "omit `-d`", USAGE
    )


def nothing_for_a_unit() -> ComposectlError:
    return ComposectlError(
        "missing option `--balance`",
        "for example: `composectl systemd-unit --balance echo=10`, or `x-balance: 10` in the compose file",
        USAGE,
    )


def not_in_a_unit(what: str) -> ComposectlError:
    return ComposectlError(
        f"invalid text for a systemd unit: {what}", "use names of files and folders without control characters"
    )


# What `composectl doctor` finds


def only_high_ports() -> ComposectlError:
    return ComposectlError(
        "only ports from 1024 on",
        "ports below 1024 need root or CAP_NET_BIND_SERVICE; `--listen 8080` uses another port",
    )


def few_open_files(files: int, clients: int) -> ComposectlError:
    return ComposectlError(
        f"{files:,}, enough for {clients:,} clients at once", "`ulimit -Hn` shows the limit; root can raise it"
    )


# Replicas that are followed


def no_socket(path: str) -> ComposectlError:
    return ComposectlError(
        f"cannot connect to the Docker Engine: no {path} in this container",
        f"mount the host's socket (`volumes: [{path}:{path}:ro]`), or set DOCKER_HOST",
    )


def whose_project(endpoint: str) -> ComposectlError:
    return ComposectlError(
        f"unknown project: this process runs in no container of the Docker Engine at {endpoint}",
        "name the project: `composectl -p shop proxy`",
    )


def of_no_project(container: str) -> ComposectlError:
    return ComposectlError(
        f"container `{container}` belongs to no Compose project",
        "run the proxy as a service of the project, or name the project: `composectl -p shop proxy`",
    )


def no_shared_network(service: str, project: str) -> ComposectlError:
    return ComposectlError(
        f"no replica of service `{service}` of project `{project}` shares a network with this container",
        "put both services on a common network under `networks:`",
    )


def nothing_exposed(who: str) -> ComposectlError:
    """`who`: a service or a container, as a phrase."""
    return ComposectlError(
        f"{who} exposes no TCP port: the target port is unknown",
        "add `expose:` to the compose file or EXPOSE to the image, or use `--port 9090`",
    )


# Replicas


def replica_died(name: str, exit_code: int, log: Iterable[str]) -> ReplicasFailed:
    lines = "".join(f"\n  {line}" for line in log)
    output = f"; its last lines:{lines}" if lines else " without output"
    return ReplicasFailed(f"container `{name}` exited with code {exit_code}{output}")


def not_ready(service: str, ready: int, wanted: int, seconds: float) -> ReplicasFailed:
    return ReplicasFailed(
        f"{ready} of {wanted} replicas of `{service}` are ready after {seconds:.0f} s",
        "check `composectl logs`; a replica is ready when its port accepts connections, or its HEALTHCHECK passes",
    )


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


def one_canary() -> ComposectlError:
    return ComposectlError(
        "`--canary` takes one service",
        "run `composectl rollout SERVICE --canary 10%` for each service",
        USAGE,
    )


def no_canary_by_source() -> ComposectlError:
    return ComposectlError(
        "`--canary` cannot be combined with `--policy source`: a client would not stay with its backend",
        "omit `--canary`",
    )


def bad_verdict(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` takes one service, and cannot be combined with other options",
        f"for example: `composectl rollout echo {option}`",
        USAGE,
    )


def canary_held(service: str) -> ComposectlError:
    return ComposectlError(
        f"the rollout of service `{service}` is paused at its canary",
        f"run `composectl rollout {service} --promote` or `--abort`",
    )


def no_canary(service: str) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` has no canary", f"start one: `composectl rollout {service} --canary 10%`"
    )


# Running composectls


def nothing_runs(project: str = "") -> NothingRuns:
    of = f" for project `{project}`" if project else " for this project"
    return NothingRuns(f"no composectl is running{of}", "start one: `composectl up --balance SERVICE=N`")


def not_balanced_yet(service: str, pid: int) -> ComposectlError:
    return ComposectlError(
        f"the running composectl (process {pid}) does not balance service `{service}`",
        "run `composectl down`, then `composectl up --balance ...` with all services",
    )


def name_taken(name: str, pid: int) -> ComposectlError:
    return ComposectlError(
        f"proxy `{name}` is already running (process {pid})",
        f"stop it with `composectl -p {name} down`, or choose another `--name`",
    )


def no_proxy_runs() -> NothingRuns:
    return NothingRuns(
        "no composectl is running, and there is no compose file here",
        "start one: `composectl up --balance SERVICE=N` beside a compose file, or `composectl proxy`",
    )


def which_one(titles: Iterable[str]) -> ComposectlError:
    return ComposectlError(
        f"several are running: {', '.join(sorted(titles))}", "name one with `-p NAME` before the command"
    )


def fixed_backends(name: str) -> ComposectlError:
    return ComposectlError(
        f"the backends of proxy `{name}` are fixed",
        f"stop it with `composectl -p {name} down`, and start it with other `--backend`s",
    )


def makes_no_replicas(name: str) -> ComposectlError:
    return ComposectlError(
        f"proxy `{name}` creates no replicas: there is nothing to roll out",
        "start composectl with `up --balance SERVICE=N`",
    )


def followed(project: str, service: str) -> ComposectlError:
    return ComposectlError(
        f"the proxy follows the replicas of service `{service}`, and creates none",
        f"use Compose: `docker compose -p {project} up -d --no-recreate --scale {service}=N`",
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


def nobody_runs() -> NothingRuns:
    return NothingRuns(
        "this user runs no composectl",
        "start one: `composectl up --balance SERVICE=N` beside a compose file, or `composectl proxy`",
    )


def all_or_some() -> ComposectlError:
    return ComposectlError("`--all` cannot be combined with SERVICE", "omit one of the two", USAGE)


def no_such_replica(service: str, number: int, there: Iterable[int]) -> ComposectlError:
    numbers = ", ".join(map(str, there))
    return ComposectlError(
        f"service `{service}` has no replica {number}", f"replicas: {numbers}" if numbers else "it has none"
    )


def not_drained(name: str, phase: str) -> ComposectlError:
    return ComposectlError(
        f"`{name}` is not drained (phase: {phase})", "`composectl status` shows the drained replicas"
    )


def ends_now(project: str) -> ComposectlError:
    return ComposectlError(f"composectl is shutting down (project `{project}`)", "start it again and retry")


def unsafe_folder(path: str, variable: str) -> ComposectlError:
    return ComposectlError(
        f"unsafe folder {path}: other users can write to it", f"remove it, or set {variable} to a private folder"
    )


def no_state_folder(path: str, why: str, variable: str) -> ComposectlError:
    return ComposectlError(f"cannot write a log in {path}: {why}", f"set {variable} to a writable folder")


def no_log(project: str) -> ComposectlError:
    of = f" of project `{project}`" if project else ""
    return ComposectlError(
        f"no log{of}: composectl has not run in the background", "`composectl up --balance SERVICE=N -d` keeps a log"
    )


def not_of_the_balancer(option: str) -> ComposectlError:
    return ComposectlError(f"`{option}` cannot be combined with `--balancer`", "use `-f`, or omit `--balancer`", USAGE)


# Private


def _meant(name: str, kind: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # only a mistake needs it

    close = get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"the {kind} are {', '.join(f'`{one}`' for one in known)}"
