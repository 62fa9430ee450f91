"""The table of options: flags, keys of `x-balance`, their JSON Schema, the reference and the man page come from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import click

from composectl.balance.autoscale import AutoscaleConfig
from composectl.balance.policy import POLICIES
from composectl.compose.argv import StackOptions
from composectl.config import values as kinds
from composectl.config.daemon import (
    AccessLogConfig,
    AdminConfig,
    DaemonConfig,
    ProxyConfig,
    StaticBackends,
    UpConfig,
)
from composectl.config.option import FLAG, Flag, Option, Scope
from composectl.config.service import (
    PAUSE,
    STOP,
    BalancingConfig,
    ProtocolConfig,
    RolloutConfig,
    RoutingConfig,
    ServiceConfig,
)
from composectl.config.tls import MODES, TlsConfig
from composectl.proxy.access_log_format import FORMATS, LineStyle
from composectl.proxy.backend_tls import VERIFY
from composectl.proxy.field_edits import HeaderConfig
from composectl.proxy.limits import GuardConfig, Limits, QueueConfig
from composectl.proxy.proxy_protocol import ENCODERS

_POLICY, _LOG_FORMAT = click.Choice(tuple(POLICIES)), click.Choice(tuple(FORMATS))
_ADDRESSING = click.Choice(("auto", "container", "published"))
_READY = "as long as its HEALTHCHECK may fail, else 60s"
_UPDATE = "`deploy.update_config`"
_TARGET = "10, or three quarters of `--max-in-flight`"
_REPLICAS = "as before, else `scale` or `deploy.replicas`, else 1"

_daemon = partial(Option, scope=Scope.DAEMON)
_balancing = partial(Option, of=BalancingConfig)
_http = partial(Option, needs_http=True)
_guard = partial(_http, guards=True)
_tls = partial(_guard, of=TlsConfig)
_log = partial(Option, scope=Scope.DAEMON, requires="access-log")
_up = partial(Option, of=UpConfig, scope=Scope.DAEMON, commands=("up",))
_stack = partial(Option, of=StackOptions, scope=Scope.DAEMON, commands=("up",), requires="swarm")
_scale = partial(Option, of=AutoscaleConfig, commands=("up",))
_up_service = partial(Option, of=ServiceConfig, commands=("up",))
_proxy = partial(Option, commands=("proxy",))
_key = partial(Option, commands=())
_rollout = partial(Option, of=RolloutConfig, commands=("rollout",))

OPTIONS = (
    _up_service(
        "listen",
        kinds.LISTEN,
        "Listen here instead of on the published ports; repeat it.",
        scope=Scope.PORT,
        default="",
    ),
    Option(
        "protocol",
        kinds.PROTOCOL,
        "Balance this port of the container, or all, as http, tcp, tls or auto; repeat it.",
        (ProtocolConfig, "typed"),
        Scope.PORT,
        default="`app_protocol`, else tcp for well-known ports, else auto",
    ),
    _up_service("drop-udp", FLAG, "Leave the UDP ports of the balanced services unpublished."),
    _key(
        "replicas",
        kinds.REPLICAS,
        "How many replicas run, or between how many the load decides.",
        (ServiceConfig, "scale"),
        default=_REPLICAS,
    ),
    _key(
        "port",
        kinds.CONTAINER_PORT,
        "The container's port that is checked, and that `listen` means.",
        ServiceConfig,
        default="the first that is published",
    ),
    _proxy("listen", kinds.LISTENER, "Listen here; repeat it.", ProxyConfig, Scope.PORT),
    _proxy(
        "backend", kinds.BACKEND, "Send requests to this backend; repeat it.", (StaticBackends, "addresses"), default=""
    ),
    _proxy(
        "service",
        kinds.TEXT,
        "Send requests to the replicas of this service.",
        default="DOCKER_COMPOSE_SERVICE_NAME",
        complete="services",
    ),
    _proxy("swarm-service", kinds.TEXT, "Send requests to the tasks of this service of a swarm, as shop_echo."),
    _proxy(
        "port",
        kinds.CONTAINER_PORT,
        "Send requests to this port of the replicas.",
        default="the lowest that each exposes",
    ),
    _proxy(
        "name",
        kinds.PROJECT_NAME,
        "Name the proxy, for `-p` of other commands.",
        ProxyConfig,
        Scope.DAEMON,
        default="proxy-PORT",
    ),
    _balancing("policy", _POLICY, "Choose backends by this: least-request, round-robin, random, p2c or source."),
    _guard(
        "sticky",
        kinds.STICKY,
        "Keep a client with its replica, by a cookie of composectl, cookie:NAME or header:NAME.",
        BalancingConfig,
        alone="true",
    ),
    _balancing("slow-start", kinds.SECONDS, "How long the share of a new backend takes to rise to that of the others."),
    _balancing("max-in-flight", kinds.COUNT, "Maximum number of requests at one replica at once; others wait."),
    _scale(
        "target-in-flight",
        kinds.COUNT,
        "Scale a range so that each replica has this many requests and connections in flight.",
        default=_TARGET,
    ),
    _scale("stable-window", kinds.DURATION, "Scale a range by the average load over this time."),
    _scale("panic-window", kinds.DURATION, "Scale a range up by this time, where the load has doubled."),
    _scale("scale-down-delay", kinds.DURATION, "Scale a range down only after the load was lower for this time."),
    _scale("target-cpu", kinds.SHARE, "Scale a range by the CPU of its replicas, too, as in 70%."),
    _scale("max-memory", kinds.SHARE, "Start no more replicas of a range above this share of the machine's memory."),
    _scale("sleep-after", kinds.DURATION, "Stop the replicas of a range from 0 after this time without a request."),
    _balancing("sleep-mode", click.Choice((STOP, PAUSE)), "Make replicas sleep by stop or pause.", commands=("up",)),
    Option(
        "queue-timeout",
        kinds.SECONDS_OR_NONE,
        "How long a request may wait for a backend; 0 turns it off.",
        (QueueConfig, "timeout"),
    ),
    Option("queue-size", kinds.COUNT, "Maximum number of requests that wait.", (QueueConfig, "size")),
    _balancing(
        "drain-timeout", kinds.SECONDS_OR_NONE, "How long requests in flight may take when their backend leaves."
    ),
    _http(
        "health-check-path",
        kinds.PATH,
        "Check backends by this path; 2xx and 3xx are healthy.",
        BalancingConfig,
        default="its port accepts",
    ),
    _http(
        "health-check-grpc",
        kinds.GRPC_SERVICE,
        "Check backends by grpc.health.v1, for this service or the whole server.",
        BalancingConfig,
        alone="true",
    ),
    _http("health-check-host", kinds.HOST, "Send this Host in checks by path or gRPC.", BalancingConfig),
    _http("response-timeout", kinds.SECONDS, "How long a backend may take to begin its response.", Limits),
    Option("idle-timeout", kinds.SECONDS, "How long a response, a WebSocket or a TCP connection may pause.", Limits),
    _guard("max-request-body", kinds.SIZE, "Maximum size of a request's body, as in 10m.", Limits),
    Option(
        "trusted-proxies",
        kinds.NETWORK,
        "Trust what proxies in this network tell of clients; repeat it.",
        Limits,
        default="private ones, for a listener at loopback alone",
    ),
    Option("accept-proxy-protocol", FLAG, "Expect the PROXY protocol from trusted proxies.", Limits),
    Option(
        "send-proxy-protocol",
        click.Choice(tuple(ENCODERS)),
        "Send the PROXY protocol, v1 or v2, to backends of tcp and tls ports.",
        Limits,
        needs_connections=True,
    ),
    _guard(
        "allowed-host",
        kinds.HOST,
        "Answer requests for this host only; repeat it.",
        (Limits, "allowed_hosts"),
        default="all",
    ),
    _guard(
        "tls-cert",
        kinds.FILE,
        "Terminate TLS with this certificate, in PEM; repeat it.",
        (TlsConfig, "certificates"),
    ),
    _guard("tls-key", kinds.FILE, "Use this key for the certificate; repeat it.", (TlsConfig, "keys")),
    _guard(
        "tls",
        click.Choice(MODES),
        "Terminate TLS with certificates of an authority: internal, a local one, or acme, a public one.",
        (TlsConfig, "mode"),
    ),
    _guard(
        "domain",
        kinds.DOMAIN,
        "Put this name into the certificate, and route it here where services share a port; repeat it.",
        (TlsConfig, "domains"),
        default="names and addresses of this machine",
    ),
    _tls("acme-email", kinds.EMAIL, "Tell the public authority this address."),
    _tls("acme-server", kinds.ACME_SERVER, "Ask this public authority, by the directory of its ACME server."),
    _guard(
        "route",
        kinds.ROUTE,
        "Send requests for this host, below this path, to this service where services share a port; repeat it.",
        (RoutingConfig, "typed"),
        Scope.DAEMON,
        ("up",),
    ),
    _guard("path", kinds.PREFIX, "Send only requests below this path to the service.", RoutingConfig, commands=()),
    _guard("strip-path", FLAG, "Whether replicas get the path without this beginning.", RoutingConfig, commands=()),
    _guard(
        "tls-port",
        kinds.CONTAINER_PORT,
        "Terminate TLS on this port of the host alone.",
        (TlsConfig, "port"),
        default="all that are for HTTP",
    ),
    _guard(
        "redirect-http",
        kinds.CONTAINER_PORT,
        "Send plain HTTP at this port of the host on to HTTPS.",
        (TlsConfig, "redirect"),
    ),
    _tls("strict-sni", FLAG, "Refuse clients of TLS that name no server with a certificate."),
    _tls(
        "hsts",
        kinds.SECONDS,
        "Tell browsers to use HTTPS alone, for this many seconds or a year.",
        alone=str(365 * 24 * 3600),
    ),
    Option("allow-ip", kinds.NETWORK, "Answer clients in this network only; repeat it.", GuardConfig, default="all"),
    Option("deny-ip", kinds.NETWORK, "Refuse clients in this network; repeat it.", GuardConfig),
    _guard("rate-limit", kinds.RATE, "Maximum rate of the requests of one client, as in 10/s or 10/s:50.", GuardConfig),
    _guard("max-in-flight-per-client", kinds.COUNT, "Maximum number of requests of one client at once.", GuardConfig),
    _guard(
        "backend-tls",
        kinds.BACKEND_TLS,
        "Speak TLS to backends; verify, insecure or a file of authorities says how their certificates are checked.",
        BalancingConfig,
        alone=VERIFY,
    ),
    _http(
        "backend-header",
        FLAG,
        "Leave X-Internal-Service out of the responses.",
        BalancingConfig,
        key_help="Whether responses carry X-Internal-Service.",
    ),
    _http(
        "replica-header",
        FLAG,
        "Tell replicas their number, by X-Composectl-Replica in requests.",
        BalancingConfig,
    ),
    _http(
        "allow-pin",
        FLAG,
        "Let X-Composectl-Replica of trusted clients choose the replica.",
        Limits,
    ),
    _http(
        "request-id",
        FLAG,
        "Add no X-Request-ID to requests without one.",
        BalancingConfig,
        key_help="Whether a request without an X-Request-ID gets one.",
    ),
    _guard("basic-auth", kinds.FILE, "Ask for a user of this file, as `htpasswd -B` writes it.", GuardConfig),
    _http(
        "request-header",
        kinds.REQUEST_FIELD,
        "Set this header of requests; NAME= removes it; repeat it.",
        HeaderConfig,
    ),
    _http(
        "response-header",
        kinds.RESPONSE_FIELD,
        "Set this header of responses; NAME= removes it; repeat it.",
        HeaderConfig,
    ),
    _daemon(
        "max-connections",
        kinds.COUNT,
        "Maximum number of client connections.",
        DaemonConfig,
        default="half the open-file limit",
    ),
    _daemon("workers", kinds.WORKERS, "Balance in N processes, or in one for each core with auto.", DaemonConfig),
    _daemon("access-log", kinds.LOG_FILE, "Log each request to this file; - is stdout.", (AccessLogConfig, "path")),
    _log("access-log-format", _LOG_FORMAT, "Write the access log as combined or json.", (LineStyle, "format")),
    _log("access-log-query", FLAG, "Log query strings, which may hold secrets.", (LineStyle, "query")),
    _log("access-log-header", kinds.HEADER, "Log this request header; repeat it.", (LineStyle, "headers")),
    _daemon("metrics", kinds.ADMIN_ADDRESS, "Serve metrics for Prometheus at this address.", AdminConfig),
    _daemon("dashboard", kinds.ADMIN_ADDRESS, "Serve the dashboard at this address.", AdminConfig),
    _daemon(
        "dashboard-control",
        FLAG,
        "Allow scaling, draining and rollouts from the dashboard (requires its token).",
        AdminConfig,
        requires="dashboard",
    ),
    _daemon("detach", FLAG, "Balance in the background.", DaemonConfig, short="-d"),
    _up(
        "backend-address",
        _ADDRESSING,
        "Connect to backends by container, published (ports), or auto, the one that works.",
    ),
    _up("ready-timeout", kinds.DURATION, "How long up waits for a ready replica.", default=_READY),
    _up("handover", FLAG, "Take over from the running composectl without losing a request."),
    _up("swarm", FLAG, "Deploy the project as a stack of a Docker swarm, and balance over its nodes."),
    _stack("with-registry-auth", FLAG, "Let the nodes of the swarm pull with the registry credentials of this user."),
    _stack("prune", FLAG, "Remove services of the stack that the compose file no longer has."),
    _stack(
        "resolve-image",
        click.Choice(("always", "changed", "never")),
        "Ask the registry for the digests of images: always, changed or never.",
    ),
    _rollout("parallel", kinds.COUNT, "How many replicas are replaced at a time.", default=f"{_UPDATE}, else 1"),
    _rollout(
        "monitor",
        kinds.DURATION,
        "How long a new replica is monitored before an old one leaves.",
        default=f"{_UPDATE}, else 5s",
    ),
    _rollout("ready-timeout", kinds.DURATION, "How long a new replica may take to become ready.", default=_READY),
    _rollout("canary", kinds.SHARE, "Pause with one new replica at this share of the requests, as in 10%.", default=""),
)
KEYS = {row.key: row for row in OPTIONS if row.key}
"""Those of `x-balance`."""


def options_of(command: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the flags of this command."""
    flags = [click.option(cls=Flag, row=row) for row in OPTIONS if command in row.commands]
    return lambda function: reduce(lambda decorated, flag: flag(decorated), reversed(flags), function)
