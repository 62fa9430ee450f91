"""What `up` says that the composectl which runs does not apply."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.commands.up import not_applied
from composectl.compose.project import Project
from composectl.config.options import OPTIONS
from composectl.config.up import make_up_config
from composectl.config.x_balance import parse_x_balance
from composectl.daemon.preflight import effective_options
from tests.support.options import flags

OF_THE_CALL = {"detach", "handover", "ready-timeout"}
VALUES: dict[str, Any] = {
    "listen": ("8081:80",),
    "protocol": ("80=tcp",),
    "policy": "p2c",
    "sticky": "header:X-User",
    "send-proxy-protocol": "v1",
    "sleep-mode": "pause",
    "target-cpu": "70%",
    "max-memory": "80%",
    "health-check-path": "/up",
    "health-check-grpc": "shop.Cart",
    "health-check-host": "shop.example",
    "max-request-body": "10m",
    "trusted-proxies": ("10.0.0.0/8",),
    "allowed-host": ("shop.example", "www.example"),
    "allow-ip": ("192.0.2.0/24",),
    "deny-ip": ("192.0.2.7",),
    "rate-limit": "10/s:50",
    "route": ("web=shop.example/api",),
    "basic-auth": "users.htpasswd",
    "request-header": ("X-Env=production",),
    "response-header": ("Server=",),
    "access-log": "access.log",
    "access-log-format": "json",
    "access-log-header": ("referer",),
    "metrics": "9464",
    "dashboard": "9091",
    "backend-address": "published",
    "swarm": True,
    "resolve-image": "never",
    "acme-email": "b@shop.example",
    "acme-server": "https://ca.example/dir",
    "backend-tls": "insecure",
    "tls": "internal",
    "tls-cert": ("/b.pem",),
    "tls-key": ("/b.key",),
    "domain": ("shop.example",),
}
# The options that an option means nothing without
NEEDED = {
    **{key: {"tls_cert": "/a.pem", "tls_key": "/a.key"} for key in ("tls-cert", "tls-key")},
    "acme-email": {"tls": "acme", "domain": "shop.example", "acme_email": "a@shop.example"},
    "acme-server": {"tls": "acme", "domain": "shop.example", "acme_email": "a@shop.example"},
    **{key: {"tls": "internal"} for key in ("domain", "redirect-http", "tls-port", "strict-sni", "hsts")},
}


def said(old: dict[str, Any], new: dict[str, Any], ports: tuple[Any, Any] = ("8080:80", "8080:80"), **keys: Any) -> Any:
    """Where composectl runs with the flags `old`, and `up` has `new`; the file has other `ports` and `keys` by then."""
    before, now = ({"services": {"web": {"ports": [port]}}} for port in ports)
    x_balance = {"web": keys} if keys else {}
    declared = {service: parse_x_balance(service, value) for service, value in x_balance.items()}
    running = effective_options(Project("shop", before), make_up_config({"web": 2}, flags(**old), ()))
    config = make_up_config({"web": 3}, flags(**new), (), declared)
    return list(not_applied(flags(**new), Project("shop", now, x_balance), config, running))


@pytest.mark.parametrize("name", [row.name for row in OPTIONS if "up" in row.commands and row.name not in OF_THE_CALL])
def test_each_option_with_another_value_is_named(name: str) -> None:
    row = next(row for row in OPTIONS if row.name == name and "up" in row.commands)
    needed = {row.requires.replace("-", "_"): VALUES[row.requires]} if row.requires else {}
    needed |= NEEDED.get(name, {})
    needed |= {"protocol": VALUES["protocol"]} if row.needs_connections else {}
    value = VALUES.get(name, "7" if row.default_text or row.metavar in ("SECONDS", "N") else True)
    new = needed | {row.flag.removeprefix("--").replace("-", "_"): value}
    assert said(needed, new) == [f"ignores `{row.flag}`"]
    assert said(new, new) == []


def test_what_is_of_the_call_alone_is_not() -> None:
    assert said({}, {"detach": True}) == []


def test_options_that_are_not_given_again_are_kept() -> None:
    assert said({"policy": "p2c", "listen": ("8081:80",)}, {}) == []
    assert said({"listen": ("8081:80",)}, {}, ("8080:80", "8082:80")) == []


def test_a_key_of_the_file_is_named_where_no_flag_is() -> None:
    assert said({}, {}, policy="p2c") == ["ignores `x-balance.policy`"]
    assert said({}, {"policy": "random"}, policy="p2c") == ["ignores `--policy`"]
    assert said({"policy": "p2c"}, {}, policy="p2c") == []


def test_a_port_of_the_file_that_has_changed() -> None:
    still = "still listens on `8080:80` for service `web`, not on `8081:80`"
    assert said({}, {}, ("8080:80", "8081:80")) == [still]
    assert said({}, {}, ("8080:80", "8080:80/tcp")) == []


def test_a_protocol_of_the_file_that_has_changed() -> None:
    plain = {"target": 80, "published": "8080"}
    still = "still balances port 80 of service `web` as `auto`, not as `tcp`"
    assert said({}, {}, (plain, plain | {"app_protocol": "redis"})) == [still]
    assert said({}, {"protocol": ("tcp",)}, (plain, plain | {"app_protocol": "redis"})) == ["ignores `--protocol`"]
    assert said({}, {}, (plain, plain | {"app_protocol": "gopher"})) == []
