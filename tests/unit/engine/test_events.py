"""What an event means."""

import pytest

from composectl.balance.backend import Replica
from composectl.engine.containers import PROJECT, parse_container
from composectl.engine.events import Event, concerns, container_of, ends, gone_reason, is_kill
from tests.support.fake_engine import STARTED_NS, at, container, disconnect, event

LISTED = STARTED_NS / 1e9 + 1


@pytest.fixture
def replica() -> Replica:
    replica = parse_container(container(1))
    assert replica
    return replica


def test_a_container_of_the_project_concerns_it() -> None:
    assert concerns(event("start"), "shop")


def test_a_container_of_another_project_does_not() -> None:
    assert not concerns(event("start", **{PROJECT: "bank"}), "shop")


def test_a_network_concerns_each_project_as_it_names_none() -> None:
    assert concerns({"Type": "network", "Action": "disconnect"}, "shop")


def test_what_is_no_event_concerns_no_project() -> None:
    assert not concerns({"message": "out of luck"}, "shop")


def test_a_kill_tells_its_container() -> None:
    assert is_kill(event("kill", 7, signal="15"))
    assert container_of(event("kill", 7, signal="15")) == f"{7:064x}"


def test_h9_a_network_tells_which_container_left_it() -> None:
    assert container_of(disconnect(7)) == f"{7:064x}"
    assert container_of({"Type": "network", "Action": "disconnect"}) == ""


@pytest.mark.parametrize("signal", ["15", "9", "SIGTERM"])
def test_the_stop_signal_and_sigkill_end_a_replica(replica: Replica, signal: str) -> None:
    assert ends(event("kill", signal=signal), replica)


@pytest.mark.parametrize("signal", ["1", "10", "HUP", ""])
def test_h17_other_signals_mean_nothing(replica: Replica, signal: str) -> None:
    assert not ends(event("kill", signal=signal), replica)


def test_a_kill_from_before_the_start_is_of_the_previous_run(replica: Replica) -> None:
    late = event("kill", signal="15")
    late["timeNano"] -= 2 * 10**9
    assert not ends(late, replica)


def test_h8_the_end_of_a_container_is_the_end_of_its_run(replica: Replica) -> None:
    assert gone_reason(event("die", exitCode="137"), replica, LISTED) == "its container stopped"
    assert not gone_reason(event("start"), replica, LISTED)


def test_an_end_from_before_the_start_was_of_the_run_before(replica: Replica) -> None:
    late = event("die")
    late["timeNano"] -= 2 * 10**9
    assert not gone_reason(late, replica, LISTED)


@pytest.fixture
def placed() -> Replica:
    replica = parse_container(at(1, "e1"))
    assert replica
    return replica


def test_h9_leaving_the_network_of_its_address_is_noticed(placed: Replica) -> None:
    assert gone_reason(disconnect(), placed, LISTED) == "its container stopped or left its network"


@pytest.mark.parametrize("other", [disconnect(network="n2"), disconnect() | {"Action": "connect"}])
def test_h9_leaving_another_one_means_nothing(placed: Replica, other: Event) -> None:
    assert not gone_reason(other, placed, LISTED)


def test_h9_leaving_before_the_listing_was_of_another_place(placed: Replica) -> None:
    assert not gone_reason(disconnect(), placed, LISTED + 2)


def test_h9_without_the_id_of_its_place_it_cannot_be_told(replica: Replica) -> None:
    assert not gone_reason(disconnect(network=""), replica, LISTED)
