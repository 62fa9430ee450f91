"""The options that say how requests are balanced."""

from __future__ import annotations

import pytest

from composectl.balance.policy import POLICIES, SlowStart
from composectl.config.proxy import make_proxy_config
from composectl.config.service import BalancingConfig
from composectl.config.settings import build
from composectl.errors import USAGE, ComposectlError
from composectl.proxy.limits import QueueConfig
from tests.support.options import flags


def balancing(**typed: str) -> BalancingConfig:
    return build(BalancingConfig, flags(**typed))


def test_without_a_word_it_is_the_default() -> None:
    assert balancing() == BalancingConfig()


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_can_be_named(name: str) -> None:
    assert balancing(policy=name).policy == name


@pytest.mark.parametrize(("name", "hint"), [("lucky", "the values are `least-request`,"), ("raandom", "`random`?")])
def test_a_policy_that_is_none_is_refused(name: str, hint: str) -> None:
    with pytest.raises(
        ComposectlError, match=f"invalid value `{name}` for `--policy`: expected least-request"
    ) as raised:
        balancing(policy=name)
    assert raised.value.exit_code == USAGE
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("typed", "queue"),
    [
        ({}, QueueConfig(30, 1000)),
        ({"queue_timeout": "5", "queue_size": "20"}, QueueConfig(5, 20)),
        ({"queue_timeout": "0"}, QueueConfig(0, 1000)),
    ],
)
def test_how_long_requests_wait_and_how_many(typed: dict[str, str], queue: QueueConfig) -> None:
    assert balancing(**typed).queue == queue


@pytest.mark.parametrize("text", ["", "00", "-1", "1.5", "ten"])
def test_for_what_is_no_time_no_request_waits(text: str) -> None:
    with pytest.raises(
        ComposectlError, match=f"invalid value `{text}` for `--queue-timeout`: expected a whole number, 0 or more"
    ) as raised:
        balancing(queue_timeout=text)
    assert raised.value.exit_code == USAGE


def test_a_slow_start_is_the_policy_s_own() -> None:
    config = balancing(slow_start="10", policy="p2c")
    assert isinstance(config.make_policy(lambda: 0.0), SlowStart)
    assert not isinstance(balancing().make_policy(lambda: 0.0), SlowStart)


def test_a_slow_start_does_not_go_with_source() -> None:
    with pytest.raises(ComposectlError, match="`--slow-start` cannot be combined with `--policy source`") as raised:
        make_proxy_config(flags("proxy", slow_start="10", policy="source"), "", {})
    assert raised.value.exit_code == USAGE


@pytest.mark.parametrize(("typed", "service"), [("shop.Cart", "shop.Cart"), (True, "true"), ("false", "")])
def test_the_health_of_a_grpc_service_or_of_the_whole_server_can_be_asked_for(typed: object, service: str) -> None:
    assert balancing(health_check_grpc=typed).health_check_grpc == service


@pytest.mark.parametrize(
    ("typed", "sticky"),
    [
        (True, "true"),
        ("true", "true"),
        ("false", ""),
        ("cookie:JSESSIONID", "cookie:JSESSIONID"),
        ("header:X-User-Id", "header:X-User-Id"),
        ("cookie:Host", "cookie:Host"),
    ],
)
def test_what_tells_a_session_can_be_chosen(typed: object, sticky: str) -> None:
    assert balancing(sticky=typed).sticky == sticky


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cookie",
        "cookie:",
        "header:",
        "session:a",
        "cookie:a b",
        "cookie:a=b",
        "cookie:a;b",
        "header:ä",
        "header:a\r\nb",
        "header:Host",
        "header:Cookie",
        "header:x-forwarded-for",
        "header:Connection",
        "header:X-Composectl-Replica",
    ],
)
def test_what_can_tell_no_session_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="expected cookie:NAME or header:NAME") as raised:
        balancing(sticky=text)
    assert raised.value.exit_code == USAGE
    assert "--sticky cookie:JSESSIONID" in raised.value.hint


def test_health_checks_by_path_and_by_grpc_exclude_each_other() -> None:
    both = "`--health-check-grpc` cannot be combined with `--health-check-path`"
    with pytest.raises(ComposectlError, match=both):
        make_proxy_config(flags("proxy", health_check_path="/up", health_check_grpc="shop.Cart"), "", {})


@pytest.mark.parametrize("path", ["/", "/healthz", "/up?full=1&x=%20", "/~a;b=c"])
def test_a_path_to_ask_for(path: str) -> None:
    assert balancing(health_check_path=path).health_check_path == path


@pytest.mark.parametrize("text", ["", "healthz", "http://a/", "/a b", "/a#b", "/ä", "/a\r\nHost: b", "/a\n"])
def test_what_cannot_be_asked_for_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="expected a path") as raised:
        balancing(health_check_path=text)
    assert raised.value.exit_code == USAGE
    assert "--health-check-path /healthz" in raised.value.hint
