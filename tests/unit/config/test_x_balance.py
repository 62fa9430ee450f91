"""What `x-balance` of a service means, and how it is refused."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.compose.ports import Port
from composectl.config.options import KEYS
from composectl.config.x_balance import XBalance, parse_x_balance
from composectl.errors import ComposectlError
from tests.support.examples import examples


def refused(value: object) -> ComposectlError:
    with pytest.raises(ComposectlError) as raised:
        parse_x_balance("echo", value)
    assert raised.value.exit_code == 1
    assert raised.value.hint
    prefix, _, message = raised.value.message.partition(": ")
    assert prefix == "`x-balance` of service `echo`"
    return ComposectlError(message, raised.value.hint)


@pytest.mark.parametrize(("value", "replicas"), [("10", 10), ("0", 0), ({"replicas": "3"}, 3), ({}, None)])
def test_a_number_or_a_mapping_tells_how_many(value: Any, replicas: int | None) -> None:
    assert parse_x_balance("echo", value).replicas == replicas


def test_a_number_alone_leaves_all_else_as_it_is() -> None:
    assert parse_x_balance("echo", "10") == XBalance(10)


VALUES = {
    "replicas": "3",
    "port": "80",
    "backend_header": "false",
    "request_id": "false",
    "replica_header": "true",
    "allow_pin": "true",
    "drop_udp": "true",
    "policy": "p2c",
    "sticky": "cookie:JSESSIONID",
    "health_check_path": "/up",
    "health_check_grpc": "shop.Cart",
    "health_check_host": "shop.example",
    "max_request_body": "10m",
    "trusted_proxies": ["10.0.0.0/8", "::1"],
    "allowed_host": "shop.example",
    "allow_ip": ["192.0.2.0/24", "::1"],
    "deny_ip": "192.0.2.7",
    "rate_limit": "10/s:50",
    "path": "/api",
    "strip_path": "true",
    "basic_auth": "users.htpasswd",
    "request_header": {"X-Env": "production", "Cookie": ""},
    "response_header": ["Server=", "X-Frame-Options=DENY"],
    "accept_proxy_protocol": "true",
    "send_proxy_protocol": "v2",
    "strict_sni": "true",
    "tls": "internal",
    "acme_email": "me@shop.example",
    "acme_server": "https://ca.example/dir",
    "tls_cert": ["shop.pem", "/etc/blog.pem"],
    "tls_key": "shop.key",
    "sleep_mode": "pause",
    "target_cpu": "70%",
    "max_memory": "80%",
    "protocol": {"6379": "tcp", "80": "http"},
    "listen": ["127.0.0.1:8080", "[::1]:8080:80"],
}


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_can_be_told(key: str) -> None:
    assert parse_x_balance("echo", {key: VALUES.get(key, "5")}) != XBalance()


def test_paths_are_those_of_the_project_s_folder() -> None:
    balance = parse_x_balance("echo", {"tls_cert": ["shop.pem", "/etc/blog.pem"], "strict_sni": "true"})
    values = {row.key: value for row, value in balance.relative_to(Path("/srv/shop")).settings.items()}
    assert values == {"tls_cert": ("/srv/shop/shop.pem", "/etc/blog.pem"), "strict_sni": True}


def test_one_text_stands_for_a_list_of_it() -> None:
    value = {
        row.key: value
        for row, value in parse_x_balance("echo", {"trusted_proxies": "::1", "listen": "80"}).settings.items()
    }
    assert value == {"trusted_proxies": (ip_network("::1"),), "listen": (Port("", (80, 80), None, "tcp"),)}


@pytest.mark.parametrize("value", ["ten", "-1", "1.5", "", "null", "true", [], ["10"], None])
def test_what_is_neither_a_number_nor_a_mapping(value: object) -> None:
    error = refused(value)
    assert error.message == f"invalid value `{value}`: expected a number of replicas or a mapping"
    assert "`x-balance: 10`" in error.hint


@pytest.mark.parametrize(
    ("key", "hint"), [("replica", "`replicas`?"), ("queue-size", "`queue_size`?"), ("q", "keys are")]
)
def test_an_unknown_key_with_the_one_that_was_meant(key: str, hint: str) -> None:
    error = refused({"policy": "p2c", key: "5"})
    assert error.message == f"no key `{key}`"
    assert hint in error.hint


def test_an_unknown_policy_with_the_one_that_was_meant() -> None:
    error = refused({"policy": "raandom"})
    assert error.message.startswith("invalid value `raandom` for `policy:`: expected least-request")
    assert error.hint == "did you mean `random`?"


@pytest.mark.parametrize(
    ("key", "value", "message", "hint"),
    [
        (
            "replicas",
            "ten",
            "invalid value `ten` for `replicas:`: expected a whole number, 0 or more, or a range",
            "`replicas: 10`",
        ),
        (
            "queue_timeout",
            "30s",
            "invalid value `30s` for `queue_timeout:`: expected a whole number, 0 or more",
            "`queue_timeout: 10`",
        ),
        (
            "queue_size",
            "0",
            "invalid value `0` for `queue_size:`: expected a whole number, 1 or more",
            "`queue_size: 10`",
        ),
        (
            "drain_timeout",
            "-1",
            "invalid value `-1` for `drain_timeout:`: expected a whole number, 0 or more",
            "`drain_timeout: 10`",
        ),
        (
            "max_request_body",
            "big",
            "invalid value `big` for `max_request_body:`: expected a size",
            "`max_request_body: 10m`",
        ),
        (
            "health_check_path",
            "up",
            "invalid value `up` for `health_check_path:`: expected a path, percent-encoded",
            "`health_check_path: /healthz`",
        ),
        (
            "trusted_proxies",
            "proxy",
            "invalid value `proxy` for `trusted_proxies:`: expected a network",
            "`trusted_proxies: 10.0.0.0/8`",
        ),
        (
            "allowed_host",
            "shop:80",
            "invalid value `shop:80` for `allowed_host:`: expected a host without a port",
            "`allowed_host: shop.example`",
        ),
        (
            "backend_header",
            "no",
            "invalid value `no` for `backend_header:`: expected true or false",
            "`backend_header: true`",
        ),
        ("port", "0", "invalid value `0` for `port:`: expected a port from 1 to 65535", "`port: 10`"),
        ("port", "http", "invalid value `http` for `port:`: expected a port from 1 to 65535", "`port: 10`"),
        ("listen", "http", "invalid value `http` for `listen:`: expected [HOST:]PORT[:TARGET]", "`127.0.0.1:8080:80`"),
        ("policy", "", "`policy:` takes a single value", "`policy: ...`"),
        ("policy", ["p2c"], "`policy:` takes a single value", "`policy: ...`"),
        ("trusted_proxies", [["::1"]], "`trusted_proxies:` takes a single value", ""),
        ("replicas", {"min": "3"}, "`replicas:` takes a single value", "`replicas: ...`"),
    ],
)
def test_a_value_that_is_none(key: str, value: object, message: str, hint: str) -> None:
    error = refused({key: value})
    assert error.message == message
    assert hint in error.hint


@pytest.mark.parametrize("value", ["1001", {"replicas": "1001"}])
def test_more_replicas_than_a_network_has_room_for(value: object) -> None:
    assert refused(value).message == "too many replicas of service `echo`: the maximum is 1,000"


TEXTS = st.text(max_size=5) | st.sampled_from(["0", "80", "p2c", "/up", "true", "10m", "::1", "8080:80"])
ANYTHING = st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))


@examples(200)
@given(ANYTHING | st.dictionaries(st.sampled_from(sorted(KEYS)) | TEXTS, ANYTHING, max_size=3))
def test_whatever_stands_there_is_taken_or_refused(value: object) -> None:
    with suppress(ComposectlError):
        assert isinstance(parse_x_balance("echo", value), XBalance)


def test_two_keys_that_do_not_go_together() -> None:
    error = refused({"health_check_path": "/up", "health_check_grpc": "true"})
    assert error.message.endswith(
        "`health_check_grpc:` cannot be combined with `health_check_path:`: a backend is checked in one way"
    )
    error = refused({"policy": "source", "slow_start": "10"})
    assert error.message.startswith("`slow_start:` cannot be combined with `policy: source`")


@pytest.mark.parametrize(
    "value", ["x" * 100_000, ["x"] * 10_000, {"policy": "x" * 100_000}, {"x" * 100_000: "1"}, "1\nhint: run `evil`"]
)
def test_whatever_it_holds_is_refused_in_one_short_line(value: object) -> None:
    message = refused(value).message
    assert "\n" not in message
    assert len(message) <= 300
