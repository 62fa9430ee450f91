"""What the flags of `up` ask for, over `x-balance`."""

from typing import Any

import pytest

from composectl.balance.autoscale import AutoscaleConfig
from composectl.balance.replica_range import ReplicaRange
from composectl.compose.argv import StackOptions, parse_scales
from composectl.compose.ports import Port
from composectl.config.daemon import UpConfig
from composectl.config.up import make_up_config
from composectl.config.x_balance import XBalance, parse_x_balance
from composectl.errors import USAGE, ComposectlError
from tests.support.options import flags


def config(*balance: str, arguments: tuple[str, ...] = (), **typed: Any) -> UpConfig:
    return make_up_config(parse_scales(balance), flags(**typed), arguments)


def at(port: int) -> Port:
    """A listener that names no target."""
    return Port("", (port, port), None, "tcp")


def declared(**keys: Any) -> dict[str, XBalance]:
    """`echo` with this mapping as its `x-balance`."""
    return {"echo": parse_x_balance("echo", keys)}


def test_services_and_their_numbers() -> None:
    assert config("echo=10", "web=0").scales == {"echo": 10, "web": 0}


def test_options_of_compose_and_services_are_told_apart() -> None:
    arguments = config("echo=2", arguments=("--build", "--pull", "always", "db")).arguments
    assert arguments.options == ("--build", "--pull", "always")
    assert arguments.services == ("db",)


@pytest.mark.parametrize("text", ["echo", "echo=ten", "echo=-1", "=3", "echo=", "echo=1.5"])
def test_what_is_no_scale_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="SERVICE=N") as raised:
        config(text)
    assert raised.value.exit_code == USAGE


def test_a_service_given_twice_is_refused() -> None:
    with pytest.raises(ComposectlError, match="duplicate service"):
        config("echo=1", "echo=2")


def test_listen_wants_one_service() -> None:
    with pytest.raises(ComposectlError, match="several services are balanced"):
        config("echo=1", "web=2", listen=("8080",))


def test_a_stack_is_deployed_as_the_flags_say() -> None:
    asked = config("echo=2", swarm=True, prune=True, with_registry_auth=True, resolve_image="never")
    assert asked.swarm
    assert asked.stack == StackOptions(with_registry_auth=True, prune=True, resolve_image="never")
    assert config("echo=2", swarm=True).stack == StackOptions()


def test_options_that_a_stack_does_not_have_are_refused() -> None:
    with pytest.raises(ComposectlError, match="`--build` cannot be combined with `--swarm`"):
        config("echo=2", arguments=("--build",), swarm=True)


@pytest.mark.parametrize("option", ["with_registry_auth", "prune"])
def test_options_of_a_stack_want_one(option: str) -> None:
    with pytest.raises(ComposectlError, match="requires `--swarm`"):
        config("echo=2", **{option: True})


def test_tasks_are_reached_in_one_way() -> None:
    with pytest.raises(ComposectlError, match="`--backend-address` cannot be combined with `--swarm`"):
        config("echo=2", swarm=True, backend_address="published")


@pytest.mark.parametrize("option", ["target_cpu", "max_memory"])
def test_what_tasks_use_is_not_known(option: str) -> None:
    name = f"--{option.replace('_', '-')}"
    with pytest.raises(ComposectlError, match=f"`{name}` cannot be combined with `--swarm`"):
        config("echo=1..2", swarm=True, **{option: "70%"})


def test_tasks_are_not_paused() -> None:
    with pytest.raises(ComposectlError, match="`--sleep-mode pause` cannot be combined with `--swarm`"):
        config("echo=0..2", swarm=True, sleep_mode="pause")


def test_a_range_begins_with_its_least_and_the_load_decides() -> None:
    echo = config("echo=2..10", target_in_flight="3", stable_window="2m").services["echo"]
    assert (echo.scale, echo.range, echo.asked) == (2, ReplicaRange(2, 10), ReplicaRange(2, 10))
    assert echo.balancing.autoscale == AutoscaleConfig(target_in_flight=3, stable_window=120.0)
    assert config("echo=0..3").services["echo"].scale == 1


def test_a_range_begins_with_what_runs() -> None:
    services = make_up_config({"echo": ReplicaRange(2, 10)}, flags(), (), before={"echo": 7}).services
    assert services["echo"].scale == 7


def test_what_sleeps_needs_a_queue() -> None:
    with pytest.raises(ComposectlError, match=r"`echo=0\.\.2` cannot be combined with `--queue-timeout 0`") as caught:
        config("echo=0..2", queue_timeout="0")
    assert caught.value.hint == "omit `--queue-timeout`, or use `echo=1..2`"
    assert config("echo=1..2", queue_timeout="0").services["echo"].range == ReplicaRange(1, 2)


def test_without_a_flag_it_is_as_the_file_declares_it() -> None:
    from_file = declared(
        policy="p2c",
        queue_timeout="5",
        listen="8080",
        port="81",
        trusted_proxies=["10.0.0.0/8"],
        backend_header="false",
        drain_timeout="7",
    )
    echo = make_up_config({"echo": 3}, flags(), (), from_file).services["echo"]
    assert (echo.scale, echo.listen, echo.port) == (3, (at(8080),), 81)
    balancing = echo.balancing
    assert (balancing.policy, balancing.queue.timeout, balancing.backend_header, balancing.drain_timeout) == (
        "p2c",
        5,
        False,
        7,
    )
    assert [str(network) for network in balancing.limits.trusted_proxies] == ["10.0.0.0/8"]


def test_flags_win_over_the_file() -> None:
    typed = flags(policy="random", trusted_proxies=("::1",), drain_timeout="0")
    echo = make_up_config(
        {"echo": 3},
        typed,
        (),
        declared(policy="p2c", queue_timeout="5", trusted_proxies="10.0.0.0/8", drain_timeout="9"),
    )
    balancing = echo.services["echo"].balancing
    assert (balancing.policy, balancing.queue.timeout, balancing.drain_timeout) == ("random", 5, 0)
    assert [str(network) for network in balancing.limits.trusted_proxies] == ["::1/128"]


def test_what_a_flag_requires_may_be_declared() -> None:
    assert config("echo=3", redirect_http="80").services["echo"].balancing.tls.redirect == 80
    make_up_config({"echo": 3}, flags(redirect_http="80"), (), declared(tls="internal"))
    with pytest.raises(ComposectlError, match="`--redirect-http` means nothing without TLS"):
        make_up_config({"echo": 3}, flags(redirect_http="80"), (), declared(policy="p2c"))


def test_a_flag_that_says_nothing_is_refused_all_the_same() -> None:
    with pytest.raises(ComposectlError, match="expected a path"):
        make_up_config({"echo": 3}, flags(health_check_path=""), (), declared(health_check_path="/up"))


def test_what_is_declared_of_one_service_is_not_told_of_another() -> None:
    services = make_up_config({"echo": 3, "web": 2}, flags(), (), declared(policy="p2c")).services
    assert [service.balancing.policy for service in services.values()] == ["p2c", "least-request"]


def test_listen_means_the_service_that_was_typed() -> None:
    services = make_up_config(
        {"web": 2, "echo": 3}, flags(listen=("8080",)), (), declared(listen="9090"), ("web",)
    ).services
    assert [service.listen for service in services.values()] == [(at(8080),), (at(9090),)]


def test_a_flag_and_a_key_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ComposectlError, match="cannot be combined with `--policy source`"):
        make_up_config({"echo": 3}, flags(policy="source"), (), declared(slow_start="10"))
