"""What `composectl proxy` was asked for: flags over the environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from composectl import errors
from composectl.config.daemon import ProxyConfig, StaticBackends
from composectl.config.protocols import make_protocols
from composectl.config.service import BalancingConfig
from composectl.config.settings import Settings, build, build_daemon
from composectl.config.tls import check_tls
from composectl.config.values import PROJECT_NAME, parse
from composectl.config.x_balance import check_combinations, flag_of
from composectl.orchestrator.self_discovery import ServiceBackends
from composectl.orchestrator.swarm_service import TaskBackends

SERVICE_NAME = "DOCKER_COMPOSE_SERVICE_NAME"


def make_proxy_config(flags: Settings, project: str, environ: Mapping[str, str]) -> ProxyConfig:
    """What the flags and the environment ask for; `project`: as `-p` names it. Raises ComposectlError."""
    check_combinations(flags, flag_of)
    named = {row.name: value for row, value in flags.items()}
    balancing, protocols = build(BalancingConfig, flags), make_protocols(flags, {})
    check_tls(balancing.tls)
    if "swarm-service" in named:
        _check_alone("swarm-service", named, ("backend", "service"))
        tasks = TaskBackends(named["swarm-service"], named.get("port"))
        return build_daemon(ProxyConfig, flags, backends=tasks, balancing=balancing, protocols=protocols)
    if "backend" not in named:
        service = named.get("service") or environ.get(SERVICE_NAME, "")
        if not service:
            raise errors.UsageError(
                "missing option: `--backend HOST:PORT` or `--service NAME`",
                f"`--service NAME` follows the replicas of a service, as {SERVICE_NAME}=NAME in the environment does",
            )
        project = project or environ.get("COMPOSE_PROJECT_NAME", "")
        backends = ServiceBackends(service, project.lower(), named.get("port"))
        return build_daemon(ProxyConfig, flags, backends=backends, balancing=balancing, protocols=protocols)
    _check_alone("backend", named, ("service", "port"))
    if "listen" not in named:
        raise errors.UsageError("missing option `--listen`", "for example: `--listen 8080`")
    name = named.get("name") or (project and parse(PROJECT_NAME, project, "--project-name"))
    static = build(StaticBackends, flags)
    return build_daemon(ProxyConfig, flags, backends=static, balancing=balancing, protocols=protocols, name=name)


# Private


def _check_alone(option: str, named: Mapping[str, object], others: Sequence[str]) -> None:
    """Raise UsageError where one of the others is given, too."""
    for other in others:
        if other in named:
            raise errors.UsageError(
                f"`--{other}` cannot be combined with `--{option}`",
                "fixed backends have their own ports: omit one of the two"
                if option == "backend"
                else "a proxy has backends of one kind: omit one of the two",
            )
