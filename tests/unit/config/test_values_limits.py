"""Limits, as they are typed."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.config.daemon import DaemonConfig
from composectl.config.service import BalancingConfig
from composectl.config.settings import build
from composectl.config.values import HOST, NETWORK, SIZE, parse
from composectl.errors import USAGE, ComposectlError
from composectl.proxy.limits import Limits, is_within
from tests.support.examples import examples
from tests.support.options import flags


def test_nothing_given_is_no_limit() -> None:
    assert build(BalancingConfig, flags()).limits == Limits()
    assert build(DaemonConfig, flags()).max_connections is None


def test_each_option_is_its_limit() -> None:
    settings = flags(
        response_timeout="30",
        idle_timeout="60",
        max_connections="1000",
        max_request_body="10m",
        trusted_proxies=("10.0.0.0/8", "::1"),
        allowed_host=("Shop.Example.", "[::1]"),
    )
    assert build(DaemonConfig, settings).max_connections == 1000
    assert build(BalancingConfig, settings).limits == Limits(
        response_timeout=30,
        idle_timeout=60,
        max_request_body=10 * 1024 * 1024,
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("::1")),
        allowed_hosts=frozenset((b"shop.example", b"[::1]")),
    )


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "1e3", "ten", "10s", " 1", "1" * 10, "\u0661"])
@pytest.mark.parametrize("option", ["response_timeout", "idle_timeout", "slow_start", "queue_size", "max_connections"])
def test_what_is_no_number_is_refused(option: str, text: str) -> None:
    with pytest.raises(ComposectlError, match="expected a whole number, 1 or more") as raised:
        flags(**{option: text})
    assert raised.value.exit_code == USAGE
    assert f"--{option.replace('_', '-')}" in raised.value.message


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("1000", 1000), ("2k", 2048), ("10M", 10485760), ("1g", 2**30)])
def test_sizes(text: str, size: int) -> None:
    assert parse(SIZE, text, "--x") == size


@pytest.mark.parametrize("text", ["", "0", "0m", "m", "-1", "1.5m", "1t", "10 m", "10mb", "1" * 13])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="expected a size") as raised:
        parse(SIZE, text, "--x")
    assert raised.value.exit_code == USAGE


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::fffe:0:0/95", "::fffe:0:0/95"),
        ("::/0", "::/0"),
        ("fd00::/8", "fd00::/8"),
    ],
)
def test_a_network_of_mapped_addresses_is_the_one_that_they_stand_for(text: str, network: str) -> None:
    assert str(parse(NETWORK, text, "--x")) == network


@examples(50)
@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_mapped_network_holds_the_same_addresses(address: IPv4Address, length: int) -> None:
    plain = ip_network((address, length), strict=False)
    mapped = parse(NETWORK, f"::ffff:{plain.network_address}/{96 + length}", "--x")
    assert mapped == plain
    assert is_within(f"::ffff:{address}", (mapped,))
    assert is_within(str(address), (mapped,))


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/33", "localhost", "[::1]", "10.0.0.0/8,::1", "10.0.0"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="expected a network") as raised:
        parse(NETWORK, text, "--x")
    assert raised.value.exit_code == USAGE


@pytest.mark.parametrize("text", ["", "shop.example:80", "http://shop.example", "::1", "a b", "*.example", "a\r\nb"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="expected a host") as raised:
        parse(HOST, text, "--x")
    assert raised.value.exit_code == USAGE
