"""Every failure a person can meet: one line, a hint, an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

USAGE = 2


class ComposectlError(Exception):
    """A failure to be told in one line; `hint` says what to do about it, if anything is known."""

    def __init__(self, message: str, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class ReplicasFailed(ComposectlError):
    """The replicas were started, and do not serve."""


class RunsAlready(ComposectlError):
    """Another composectl balances the project."""

    def __init__(self, project: str, pid: int) -> None:
        super().__init__(
            f"composectl balances project `{project}` already (process {pid})",
            "`composectl scale SERVICE=N` changes it, `composectl down` ends it",
        )
        self.project = project


class NothingRuns(ComposectlError):
    """There is no running composectl of the kind that was looked for."""


class HasEnded(ComposectlError):
    """A composectl that ran has ended, or does not answer; `pid` is that of its process."""

    def __init__(self, pid: int, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.pid = pid


# What was asked for


def unknown_service(name: str, known: Iterable[str]) -> ComposectlError:
    return ComposectlError(f"no service `{name}` in the compose file", _meant(name, "services", sorted(known)))


def unknown_policy(name: str, known: Iterable[str]) -> ComposectlError:
    return ComposectlError(f"no policy `{name}`", _meant(name, "policies", sorted(known)), USAGE)


def unknown_backend_address(name: str, known: Iterable[str]) -> ComposectlError:
    return ComposectlError(f"no backend address `{name}`", _meant(name, "ones", sorted(known)), USAGE)


def backend_address_stays(asked: str, used: str) -> ComposectlError:
    return ComposectlError(
        f"`--backend-address {asked}` does not go with `--handover`: the replicas are reached by `{used}`",
        "leave `--backend-address` out, or end the composectl that runs: `composectl down`",
        USAGE,
    )


def bad_scale(text: str) -> ComposectlError:
    return ComposectlError(
        f"`{text}` is not of the form SERVICE=N, with N a whole number from 0", "for example: `echo=10`", USAGE
    )


def too_many_replicas(service: str, most: int) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` can have {most:,} replicas at most",
        "a bridge network of Linux has room for 1,023 containers",
        USAGE,
    )


def balanced_twice(service: str) -> ComposectlError:
    return ComposectlError(f"service `{service}` is given twice", "one `--balance SERVICE=N` a service", USAGE)


def bad_listen(text: str) -> ComposectlError:
    return ComposectlError(
        f"`{text}` is not of the form [HOST:]PORT[:TARGET]", "for example: `8080`, `127.0.0.1:8080:80`", USAGE
    )


def bad_listener(text: str) -> ComposectlError:
    return ComposectlError(
        f"`{text}` is not of the form [HOST:]PORT", "for example: `8080`, `127.0.0.1:8080`, `[::1]:8080`", USAGE
    )


def bad_backend(text: str) -> ComposectlError:
    return ComposectlError(
        f"`{text}` is not of the form HOST:PORT", "for example: `127.0.0.1:9001`, `[::1]:9001`, `localhost:9001`", USAGE
    )


def listen_where() -> ComposectlError:
    return ComposectlError(
        "`--listen` is missing: where is the proxy to listen?", "for example: `--listen 8080`", USAGE
    )


def whom_to_follow(variable: str) -> ComposectlError:
    return ComposectlError(
        "neither a service nor a `--backend` is named",
        f"the replicas of one are followed with `--service NAME`, or {variable}=NAME in the environment",
        USAGE,
    )


def fixed_and_followed(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` does not go with `--backend`",
        "backends that are named have a port each, and are not followed: leave one of the two out",
        USAGE,
    )


def bad_container_port(text: str) -> ComposectlError:
    return ComposectlError(
        f"`--port {text}` is not a port of a container", "a whole number from 1 to 65535, as in `--port 9090`", USAGE
    )


def bad_name(text: str) -> ComposectlError:
    return ComposectlError(
        f"`{text}` is not a name: small letters, digits, `-` and `_`, a letter or digit first",
        "for example: `--name edge`",
        USAGE,
    )


def given_twice(option: str, text: str) -> ComposectlError:
    return ComposectlError(f"`{option} {text}` is given twice", "once is enough", USAGE)


def bad_health(option: str, text: str) -> ComposectlError:
    return ComposectlError(
        f"`{text}` is not a path that can be asked for",
        f"for example: `{option} /healthz`; percent-encode the rest",
        USAGE,
    )


def bad_number(option: str, text: str, least: int) -> ComposectlError:
    return ComposectlError(f"`{option} {text}`: not a whole number from {least}", f"for example: `{option} 10`", USAGE)


def no_slow_start_by_source(slow_start: str, policy: str) -> ComposectlError:
    return ComposectlError(
        f"`{slow_start}` does not go with `{policy} source`: a client would not stay with its backend",
        "leave one of the two out",
        USAGE,
    )


def unknown_log_format(name: str, known: Iterable[str]) -> ComposectlError:
    return ComposectlError(f"no format `{name}` of the access log", _meant(name, "formats", sorted(known)), USAGE)


def needs_access_log(option: str) -> ComposectlError:
    return ComposectlError(f"`{option}` needs `--access-log`", "for example: `--access-log access.log`", USAGE)


def log_in_background() -> ComposectlError:
    return ComposectlError(
        "`--access-log -` does not go with `-d`: in the background there is no stdout", "name a file instead", USAGE
    )


def bad_header_name(text: str) -> ComposectlError:
    return ComposectlError(
        f"`{text}` is not the name of a header", "for example: `--access-log-header User-Agent`", USAGE
    )


def header_needs_json(name: str) -> ComposectlError:
    return ComposectlError(
        f"the format `combined` has no room for the header `{name}`, only for Referer and User-Agent",
        "`--access-log-format json` has",
        USAGE,
    )


def log_not_opened(path: str, why: str) -> ComposectlError:
    return ComposectlError(
        f"the access log cannot be opened: {path}: {why}", "name a file that you may write to", USAGE
    )


def bad_size(option: str, text: str) -> ComposectlError:
    return ComposectlError(f"`{text}` is not a size", f"for example: `{option} 10m`, `512k`, `1g`, `1000`", USAGE)


def bad_network(option: str, text: str) -> ComposectlError:
    return ComposectlError(
        f"`{text}` is not a network", f"for example: `{option} 10.0.0.0/8`, `192.0.2.7`, `fd00::/8`", USAGE
    )


def bad_host(option: str, text: str) -> ComposectlError:
    return ComposectlError(
        f"`{text}` is not a host", f"without a port, for example: `{option} shop.example`, `[::1]`", USAGE
    )


def listen_for_whom() -> ComposectlError:
    return ComposectlError(
        "`--listen` is for one service, and several are balanced",
        "leave `--listen` out: each is served where it publishes",
        USAGE,
    )


def no_target(service: str) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` publishes no TCP port, so that the one to balance to is not known",
        "name it after the listener: `--listen 8080:80`",
    )


def needs_balance(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` goes with `--balance SERVICE=N`",
        "for example: `--balance echo=10`, or `x-balance: 10` in the compose file",
        USAGE,
    )


def no_tcp_port(service: str) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` publishes no TCP port",
        "say where to listen and which port the container serves: `--listen 8080:80`",
    )


def udp_port(service: str, protocol: str, port: int, room: int, scale: int) -> ComposectlError:
    """`room`: how many replicas can hold it at once, of `scale` that are to come."""
    most = "one replica" if room == 1 else f"{room} replicas"
    return ComposectlError(
        f"service `{service}` publishes {protocol.upper()} port {port}, which only {most} can hold, not {scale}",
        "composectl balances TCP: `--drop-udp` leaves the port unpublished, or move it to a service of its own",
    )


def same_port(address: str, services: Sequence[str]) -> ComposectlError:
    whose = " and ".join(f"`{service}`" for service in dict.fromkeys(services))
    return ComposectlError(
        f"{address} is to be listened on twice, for {whose}", "a port can be published once: change one of the two"
    )


def odd_port(service: str, entry: str) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` publishes `{entry}`, which is not understood",
        "for example: `8080:80`, `127.0.0.1:8080:80`, `8000-8009:80/udp`",
    )


def no_address_of_its_own(service: str, mode: str) -> ComposectlError:
    return ComposectlError(
        f"the replicas of service `{service}` have no address of their own (`network_mode: {mode}`)",
        "take `network_mode` out, so that each replica joins the project's network",
    )


def not_detachable(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` does not go with `--balance` or `x-balance`: composectl shows the table in place of the logs",
        "`composectl logs -f` shows the logs from another terminal",
        USAGE,
    )


def starts_nothing(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` does not go with `--balance`: it starts nothing that could be balanced",
        f"`composectl up {option}` without `--balance` goes to Compose as it is",
        USAGE,
    )


# What the compose file says under `x-balance`


def bad_declaration(service: str, error: ComposectlError) -> ComposectlError:
    """`error` is what is wrong under the `x-balance` of this service."""
    return ComposectlError(f"`x-balance` of service `{service}`: {error.message}", error.hint)


def declaration_lost(service: str) -> ComposectlError:
    return ComposectlError(
        f"docker-compose 1 loses the `x-balance` of service `{service}`, which is merged of several files or `extends`",
        f"say it on the command line, as in `--balance {service}=10`, or use Compose v2",
    )


def neither_number_nor_mapping(text: str) -> ComposectlError:
    return ComposectlError(
        f"`{text}` is neither a number of replicas nor a mapping",
        "for example: `x-balance: 10`, or `x-balance: {replicas: 10, policy: p2c}`",
    )


def unknown_key(key: str, known: Iterable[str]) -> ComposectlError:
    return ComposectlError(f"no key `{key}`", _meant(key, "keys", sorted(known)))


def not_one_value(key: str) -> ComposectlError:
    return ComposectlError(f"`{key}:` takes one value", f"a single one, as in `{key}: ...`")


def bad_truth(key: str, text: str) -> ComposectlError:
    return ComposectlError(f"`{key}: {text}` is neither true nor false", f"for example: `{key}: true`")


def bad_target(key: str, text: str) -> ComposectlError:
    return ComposectlError(
        f"`{key}: {text}` is not a port of the container",
        "a whole number from 1 to 65535; `listen` is for the port of the host",
    )


def other_target(service: str, port: int, published: Iterable[int]) -> ComposectlError:
    targets = ", ".join(map(str, published))
    return ComposectlError(
        f"service `{service}` does not publish port {port} of its containers, but {targets}",
        "`port` is the container's own port; `listen` says where to listen",
    )


# Listeners


def port_taken(address: str, holder: str, hint: str = "") -> ComposectlError:
    by = f" by {holder}" if holder else ""
    return ComposectlError(f"{address} is already held{by}", hint or "free the port, or `--listen` on another one")


def port_forbidden(address: str) -> ComposectlError:
    return ComposectlError(
        f"no right to listen on {address}",
        "ports under 1024 need root or CAP_NET_BIND_SERVICE; `--listen 8080` takes another port",
    )


def no_such_address(address: str) -> ComposectlError:
    return ComposectlError(f"{address} is not an address of this machine", "`--listen` takes another one")


def too_many_connections(asked: int, most: int) -> ComposectlError:
    return ComposectlError(
        f"`--max-connections {asked}` is more than the limit of open files allows, which is {most}",
        "`ulimit -Hn` shows the limit of open files: a client needs one, and another while it is answered",
        USAGE,
    )


def unknown_host(host: str) -> ComposectlError:
    return ComposectlError(f"`{host}` is not known to have an address", "`--listen` takes an address of this machine")


def bad_metrics(text: str) -> ComposectlError:
    return ComposectlError(
        f"`--metrics {text}` is not of the form [HOST:]PORT",
        "for example: `--metrics 9464`, `--metrics 0.0.0.0:9464`; without a host it is 127.0.0.1",
        USAGE,
    )


def no_metrics(why: ComposectlError) -> ComposectlError:
    """`why` nothing can listen there."""
    return ComposectlError(f"no metrics: {why.message}", "`--metrics [HOST:]PORT` takes another place")


def bad_dashboard(text: str) -> ComposectlError:
    return ComposectlError(
        f"`--dashboard {text}` is not of the form [HOST:]PORT",
        "for example: `--dashboard 9091`, `--dashboard 0.0.0.0:9091`; without a host it is 127.0.0.1",
        USAGE,
    )


def needs_dashboard() -> ComposectlError:
    return ComposectlError("`--dashboard-control` goes with `--dashboard`", "for example: `--dashboard 9091`", USAGE)


def no_dashboard(why: ComposectlError) -> ComposectlError:
    """`why` nothing can listen there."""
    return ComposectlError(
        f"no dashboard: {why.message}", "`--dashboard [HOST:]PORT` takes another place, as in `9091`"
    )


# Compose


def no_compose() -> ComposectlError:
    return ComposectlError(
        "neither `docker compose` nor `docker-compose` is installed",
        "install Docker's Compose plugin, or name a Compose in COMPOSECTL_COMPOSE",
    )


def not_a_compose(command: str) -> ComposectlError:
    return ComposectlError(
        f"`{command}` is not a Compose: it does not tell a Compose version",
        "COMPOSECTL_COMPOSE names a path or `docker compose`",
    )


def no_project() -> ComposectlError:
    return ComposectlError("Compose's `config` printed no project", "`composectl config` shows what it prints")


def no_project_name(called: str) -> ComposectlError:
    return ComposectlError(
        f"docker-compose 1 makes no project name of `{called}`: it keeps small letters, digits, `-` and `_`",
        "`-p NAME` gives the project one",
    )


def compose_failed(command: str, exit_code: int, words: str = "", hint: str = "") -> ComposectlError:
    return ComposectlError(words or f"`{command}` failed with exit code {exit_code}", hint, exit_code)


# The engine


def no_engine(endpoint: str) -> ComposectlError:
    return ComposectlError(f"no Docker Engine answers at {endpoint}", "is the engine running? `docker info` tells more")


def engine_forbidden(endpoint: str) -> ComposectlError:
    return ComposectlError(
        f"no right to talk to the Docker Engine at {endpoint}",
        "join the group `docker`, or use sudo; in a container, `group_add:` the group of the socket",
    )


def engine_speaks_tls(endpoint: str) -> ComposectlError:
    return ComposectlError(
        f"the Docker Engine at {endpoint} speaks TLS",
        "DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH with the folder of the certificates; or a context that has them",
    )


def engine_speaks_no_tls(endpoint: str) -> ComposectlError:
    return ComposectlError(
        f"what answers at {endpoint} does not speak TLS",
        "DOCKER_TLS_VERIFY and DOCKER_TLS ask for it: unset them, or name the port of TLS, which is usually 2376",
    )


def engine_not_trusted(endpoint: str, why: str, folder: str) -> ComposectlError:
    return ComposectlError(
        f"the certificate of the Docker Engine at {endpoint} is not trusted: {why}",
        f"it has to be in date, for this name, and of the authority in {folder}/ca.pem",
    )


def not_trusted_by_engine(endpoint: str, folder: str) -> ComposectlError:
    return ComposectlError(
        f"the Docker Engine at {endpoint} does not accept our certificate",
        f"it takes {folder}/cert.pem only in date, and of an authority that it trusts: "
        f"`openssl x509 -noout -dates -issuer -in {folder}/cert.pem`",
    )


def bad_certificates(folder: str, why: str) -> ComposectlError:
    return ComposectlError(
        f"the certificates in {folder} cannot be used: {why}",
        "there have to be ca.pem, cert.pem and key.pem, each in the PEM format, the last two made for each other",
    )


def over_ssh(endpoint: str, words: str) -> ComposectlError:
    """`words`: what to type after `ssh` to get there."""
    return ComposectlError(
        f"the containers of the engine at {endpoint} have no addresses here, and cannot be balanced",
        f"run it there, as in `ssh {words} composectl ...`; `ps`, `logs` and all else of Compose's own go through",
    )


def unknown_context(name: str, known: Iterable[str] = ()) -> ComposectlError:
    return ComposectlError(f"no Docker context `{name}`", _meant(name, "contexts", ["default", *sorted(known)]))


def host_and_context(host: str, context: str) -> ComposectlError:
    return ComposectlError(
        f"`-H {host}` and `-c {context}` name two engines", "leave one of the two out, as for `docker`", USAGE
    )


def bad_endpoint(endpoint: str, why: str) -> ComposectlError:
    return ComposectlError(
        f"`{endpoint}` is not a Docker Engine's address: {why}", "for example: unix:///var/run/docker.sock"
    )


def engine_failed(endpoint: str, words: str) -> ComposectlError:
    return ComposectlError(f"the Docker Engine at {endpoint} failed: {words}")


def engine_hung_up(endpoint: str) -> ComposectlError:
    return ComposectlError(f"the Docker Engine at {endpoint} broke off its stream of events")


def bad_docker_file(path: str, why: str) -> ComposectlError:
    return ComposectlError(f"{path} cannot be read: {why}", "it is Docker's own: mend it, or say `-H` for the engine")


# Shells and systemd


def unknown_shell(name: str, known: Iterable[str]) -> ComposectlError:
    return ComposectlError(f"no completion for `{name}`", _meant(name, "shells", sorted(known)), USAGE)


def in_the_foreground() -> ComposectlError:
    return ComposectlError(
        "`-d` does not go with `systemd-unit`: systemd itself runs it in the background", "leave `-d` out", USAGE
    )


def nothing_for_a_unit() -> ComposectlError:
    return ComposectlError(
        "it is not said what the unit is to balance",
        "for example: `composectl systemd-unit --balance echo=10`, or `x-balance: 10` in the compose file",
        USAGE,
    )


def not_in_a_unit(what: str) -> ComposectlError:
    return ComposectlError(f"{what} cannot stand in a unit of systemd", "name files and folders without such signs")


# What `composectl doctor` finds


def only_high_ports() -> ComposectlError:
    return ComposectlError(
        "those from 1024 on can be listened on",
        "ports under 1024 need root or CAP_NET_BIND_SERVICE; `--listen 8080` takes another port",
    )


def few_open_files(files: int, clients: int) -> ComposectlError:
    return ComposectlError(
        f"{files:,}, enough for {clients:,} clients at once", "`ulimit -Hn` shows the limit, which root can raise"
    )


# Replicas that are followed


def no_socket(path: str) -> ComposectlError:
    return ComposectlError(
        f"there is no {path} in this container, by which to ask the Docker Engine",
        f"mount that of the host: `volumes: [{path}:{path}:ro]`, or name another engine in DOCKER_HOST",
    )


def whose_project(endpoint: str) -> ComposectlError:
    return ComposectlError(
        f"the project is not known: this is no container of the Docker Engine at {endpoint}",
        "name the project, before the command: `composectl -p shop proxy`",
    )


def of_no_project(container: str) -> ComposectlError:
    return ComposectlError(
        f"container `{container}` belongs to no project of Compose",
        "start it as a service beside the one that it follows, or name the project: `composectl -p shop proxy`",
    )


def no_shared_network(service: str, project: str) -> ComposectlError:
    return ComposectlError(
        f"no replica of service `{service}` of project `{project}` is on a network of this container",
        "put both services on one of the file's `networks:`",
    )


def nothing_exposed(who: str) -> ComposectlError:
    """`who`: a service or a container, for people."""
    return ComposectlError(
        f"{who} exposes no TCP port, so that the one to balance to is not known",
        "say `expose:` in the compose file or EXPOSE in the image, or name it to the proxy: `--port 9090`",
    )


# Replicas


def replica_died(name: str, exit_code: int, log: Iterable[str]) -> ReplicasFailed:
    lines = "".join(f"\n  {line}" for line in log)
    said = f"; its last lines:{lines}" if lines else ", and said nothing"
    return ReplicasFailed(f"container `{name}` ended with exit code {exit_code}{said}")


def not_ready(service: str, ready: int, wanted: int, seconds: float) -> ReplicasFailed:
    return ReplicasFailed(
        f"{ready} of {wanted} replicas of `{service}` are ready after {seconds:.0f} s",
        "`composectl logs` shows what they say; a replica is ready when its port accepts, or its HEALTHCHECK passes",
    )


def rollout_stopped(service: str, why: str, log: Sequence[str], new: int, wanted: int) -> ReplicasFailed:
    """`why` is a sentence about the new replica; `new` of `wanted` replicas are of the new kind."""
    lines = "".join(f"\n  {line}" for line in log)
    serve = "the old replicas serve on" if not new else f"{new} of {wanted} replicas are new, the others are old"
    return ReplicasFailed(
        f"rollout of `{service}` stopped: {why}{f'; its last lines:{lines}' if lines else ', and it said nothing'}",
        f"{serve}; mend it, then `composectl rollout {service}`",
    )


def not_added(service: str, why: str) -> ComposectlError:
    """Compose has not made the new replicas: `why`, as a sentence."""
    return ComposectlError(
        f"rollout of `{service}` stopped: {why}", f"the others serve on; mend it, then `composectl rollout {service}`"
    )


def bad_duration(option: str, text: str) -> ComposectlError:
    return ComposectlError(f"`{option} {text}`: not a time", f"for example: `{option} 5s`, `500ms`, `2m`", USAGE)


def one_canary() -> ComposectlError:
    return ComposectlError(
        "`--canary` is for one service, and several are named",
        "one after the other: `composectl rollout SERVICE --canary 10%`",
        USAGE,
    )


def bad_share(option: str, text: str) -> ComposectlError:
    return ComposectlError(
        f"`{option} {text}`: not a share above 0% and below 100%", f"for example: `{option} 10%`", USAGE
    )


def no_canary_by_source() -> ComposectlError:
    return ComposectlError(
        "`--canary` does not go with `--policy source`: a client would not stay with its backend",
        "`composectl rollout SERVICE` without it",
    )


def bad_verdict(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` goes with one service, and with no other option",
        f"for example: `composectl rollout echo {option}`",
        USAGE,
    )


def canary_held(service: str) -> ComposectlError:
    return ComposectlError(
        f"a canary of service `{service}` is held",
        f"`composectl rollout {service} --promote` goes on with its rollout, `--abort` takes it back",
    )


def no_canary(service: str) -> ComposectlError:
    return ComposectlError(
        f"no canary of service `{service}` is held", f"`composectl rollout {service} --canary 10%` begins with one"
    )


# Running composectls


def nothing_runs(project: str = "") -> NothingRuns:
    of = f" for project `{project}`" if project else " for this project"
    return NothingRuns(f"no composectl is running{of}", "start one: `composectl up --balance SERVICE=N`")


def not_balanced_yet(service: str, pid: int) -> ComposectlError:
    return ComposectlError(
        f"the running composectl (process {pid}) does not balance service `{service}`",
        "`composectl down` ends it, then `composectl up --balance ...` with all that is to be balanced",
    )


def name_taken(name: str, pid: int) -> ComposectlError:
    return ComposectlError(
        f"a proxy `{name}` runs already (process {pid})",
        f"`composectl -p {name} down` ends it, `--name` gives this one another name",
    )


def no_proxy_runs() -> NothingRuns:
    return NothingRuns(
        "no composectl is running, and no compose file is here",
        "start one: `composectl up --balance SERVICE=N` beside a compose file, or `composectl proxy`",
    )


def which_one(titles: Iterable[str]) -> ComposectlError:
    return ComposectlError(f"several run: {', '.join(sorted(titles))}", "name one, before the command: `-p NAME`")


def fixed_backends(name: str) -> ComposectlError:
    return ComposectlError(
        f"the backends of proxy `{name}` are fixed",
        f"`composectl -p {name} down` ends it; start it again with other `--backend`s",
    )


def makes_no_replicas(name: str) -> ComposectlError:
    return ComposectlError(
        f"proxy `{name}` makes no replicas, so that it cannot roll out any",
        "a composectl that was started with `up --balance SERVICE=N` can",
    )


def followed(project: str, service: str) -> ComposectlError:
    return ComposectlError(
        f"the proxy follows the replicas of service `{service}`, and makes none",
        f"Compose does: `docker compose -p {project} up -d --no-recreate --scale {service}=N`",
    )


def not_balanced(service: str, balanced: Iterable[str]) -> ComposectlError:
    return ComposectlError(
        f"service `{service}` is not balanced", f"balanced are {', '.join(f'`{one}`' for one in sorted(balanced))}"
    )


def other_composectl(pid: int, status: int) -> ComposectlError:
    return ComposectlError(
        f"the running composectl (process {pid}) does not understand this one (status {status})",
        "it is of another version: `composectl down` ends it",
    )


def has_ended(pid: int) -> HasEnded:
    return HasEnded(
        pid,
        f"the running composectl (process {pid}) has ended before it was done, or does not answer",
        "`composectl status` tells who runs; where nobody does, `composectl up` takes over the replicas",
    )


def watched_has_ended(pid: int) -> ComposectlError:
    return ComposectlError(
        f"the composectl that was watched (process {pid}) has ended",
        "`composectl logs --balancer` tells why, where it ran in the background",
    )


def nobody_runs() -> NothingRuns:
    return NothingRuns(
        "no composectl of this user is running",
        "start one: `composectl up --balance SERVICE=N` beside a compose file, or `composectl proxy`",
    )


def all_or_some() -> ComposectlError:
    return ComposectlError("`--all` shows every project, and takes no services", "leave one of the two out", USAGE)


def no_such_replica(service: str, number: int, there: Iterable[int]) -> ComposectlError:
    numbers = ", ".join(map(str, there))
    return ComposectlError(
        f"service `{service}` has no replica {number}", f"there are {numbers}" if numbers else "there is none"
    )


def not_drained(name: str, phase: str) -> ComposectlError:
    return ComposectlError(f"`{name}` is {phase}, not drained by hand", "`composectl status` shows who is")


def ends_now(project: str) -> ComposectlError:
    return ComposectlError(f"the composectl of project `{project}` ends", "start it again, then say it again")


def unsafe_folder(path: str, variable: str) -> ComposectlError:
    return ComposectlError(
        f"{path} is not a folder of yours alone", f"remove it, or set {variable} to a folder of yours"
    )


def no_state_folder(path: str, why: str, variable: str) -> ComposectlError:
    return ComposectlError(f"no log can be kept in {path}: {why}", f"set {variable} to a folder of yours")


def no_log(project: str) -> ComposectlError:
    of = f" of project `{project}`" if project else " here"
    return ComposectlError(
        f"no composectl{of} has run in the background", "`composectl up --balance SERVICE=N -d` keeps a log"
    )


def not_of_the_balancer(option: str) -> ComposectlError:
    return ComposectlError(
        f"`{option}` does not go with `--balancer`", "`-f` does; without `--balancer` it is for Compose", USAGE
    )


# Private


def _meant(name: str, kind: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # only a mistake needs it

    close = get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"the {kind} are {', '.join(f'`{one}`' for one in known)}"
