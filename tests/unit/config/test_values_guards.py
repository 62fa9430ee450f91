"""Guards, as they are typed."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from composectl.config.proxy import make_proxy_config
from composectl.config.service import BalancingConfig
from composectl.config.settings import build
from composectl.config.up import make_up_config
from composectl.config.values import RATE, parse
from composectl.config.x_balance import parse_x_balance
from composectl.errors import USAGE, ComposectlError
from composectl.proxy.limits import GuardConfig
from composectl.proxy.token_buckets import RateLimit
from tests.support.options import flags


def test_nothing_given_guards_nothing() -> None:
    assert build(BalancingConfig, flags()).guards == GuardConfig()


def test_each_option_is_its_guard() -> None:
    settings = flags(
        allow_ip=("192.0.2.0/24", "::ffff:198.51.100.0/120"),
        deny_ip=("192.0.2.7",),
        rate_limit="10/s:50",
        max_in_flight_per_client="5",
        basic_auth="users",
    )
    assert build(BalancingConfig, settings).guards == GuardConfig(
        allow_ip=(ip_network("192.0.2.0/24"), ip_network("198.51.100.0/24")),
        deny_ip=(ip_network("192.0.2.7"),),
        rate_limit=RateLimit(10, 1, 50),
        max_in_flight_per_client=5,
        basic_auth=str(Path.cwd() / "users"),
    )


def test_a_compose_file_may_say_the_same() -> None:
    declared = parse_x_balance("web", {"allow_ip": "192.0.2.0/24", "rate_limit": "600/m"})
    guards = build(BalancingConfig, declared.settings).guards
    assert guards == GuardConfig(allow_ip=(ip_network("192.0.2.0/24"),), rate_limit=RateLimit(600, 60, 600))


@pytest.mark.parametrize("text", ["10/s", "10/s:50", "600/m", "1/h:2"])
def test_a_rate_is_shown_as_it_was_written(text: str) -> None:
    assert str(parse(RATE, text, "--rate-limit")) == text


@pytest.mark.parametrize(
    "text", ["", "10", "0/s", "10/d", "10/s:", "10/s:0", "-1/s", "1.5/s", "10 / s", "10/S", "1000000/s", "\u0661/s"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="expected N/s, N/m or N/h") as raised:
        flags(rate_limit=text)
    assert raised.value.exit_code == USAGE
    assert "`--rate-limit`" in raised.value.message


@pytest.mark.parametrize("option", ["allow_ip", "deny_ip"])
@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/33", "shop.example", "10.0.0", "fe80::1%eth0/64/1"])
def test_what_is_no_network_is_refused(option: str, text: str) -> None:
    with pytest.raises(ComposectlError, match="expected a network"):
        flags(**{option: (text,)})


def test_passwords_are_not_logged() -> None:
    log = {"access_log": "a", "access_log_format": "json", "access_log_header": ("Authorization",)}
    make_up_config({"web": 2}, flags(**log), ())
    with pytest.raises(ComposectlError, match="cannot be combined with `--basic-auth`: it holds passwords") as raised:
        make_up_config({"web": 2}, flags(basic_auth="users", **log), ())
    assert raised.value.exit_code == USAGE
    with pytest.raises(ComposectlError, match="it holds passwords"):
        make_proxy_config(flags("proxy", listen=("8080",), backend=("a:80",), basic_auth="users", **log), "", {})
