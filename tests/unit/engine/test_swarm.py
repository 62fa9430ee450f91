"""What two engines have answered of a swarm of three nodes, parsed."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.engine.swarm import SwarmInfo, make_replica, parse_info, parse_node, parse_service, parse_task
from tests.support.fake_swarm import answers

each_engine = pytest.mark.parametrize("engine", ["20.10", "28.5"])


def tasks_of(name: str, engine: str) -> list[Any]:
    first = next(found["ServiceID"] for found in answers("tasks", engine) if tag(found) == name)
    return [parse_task(found) for found in answers("tasks", engine) if found["ServiceID"] == first]


def tag(task: dict[str, Any]) -> str:
    """What tells the services of the answers apart."""
    container = task["Spec"]["ContainerSpec"]
    if "nosuch" in container["Image"]:
        return "missing"
    if task["Spec"]["Placement"].get("Constraints"):
        return "nowhere"
    words = " ".join(container.get("Args") or ())
    return (
        "bad" if "exit 3" in words else "nocmd" if "nonexistent" in words else "once" if "exit 0" in words else "echo"
    )


@each_engine
def test_nodes_have_the_addresses_at_which_their_ports_are_reached(engine: str) -> None:
    nodes = [parse_node(answer) for answer in answers("nodes", engine)]
    assert [node.hostname for node in nodes] == ["n1", "n2", "n3"]
    assert [node.address.rpartition(".")[2] for node in nodes] == ["11", "12", "13"]
    assert [node.is_manager for node in nodes] == [True, False, False]
    assert {(node.state, node.availability) for node in nodes} == {("ready", "active")}
    assert {node.engine[: len(engine)] for node in nodes} == {engine}


@pytest.mark.parametrize(
    ("manager", "address"), [("10.0.0.1:2377", "10.0.0.1"), ("[fd00::1]:2377", "fd00::1"), ("", "0.0.0.0")]
)
def test_a_manager_is_reached_where_the_other_managers_reach_it(manager: str, address: str) -> None:
    answer = answers("nodes")[0] | {"ManagerStatus": {"Addr": manager}}
    answer["Status"]["Addr"] = "0.0.0.0"
    assert parse_node(answer).address == address


@each_engine
def test_a_running_task_is_a_replica_at_a_port_of_its_node(engine: str) -> None:
    nodes = {node.id: node for node in map(parse_node, answers("nodes", engine))}
    found = tasks_of("echo", engine)
    replicas = [make_replica("lab_echo", task, nodes[task.node_id]) for task in found]
    assert sorted(replica.name for replica in replicas if replica) == [f"lab_echo.{slot}" for slot in range(1, 7)]
    assert {replica.node for replica in replicas if replica} == {"n1", "n2", "n3"}
    assert {replica.host for replica in replicas if replica} == {node.address for node in nodes.values()}
    for replica, task in zip(replicas, found, strict=True):
        assert replica is not None
        assert [target for target, _ in replica.ports] == [8080]
        assert replica.ports[0][1] >= 32768
        assert (replica.id, replica.number, replica.stop_grace_period) == (task.id, task.slot, 5.0)
        assert replica.address(8080) == (replica.host, replica.ports[0][1])


@each_engine
def test_on_a_shared_network_a_task_is_reached_at_its_own_address(engine: str) -> None:
    node = parse_node(answers("nodes", engine)[0])
    task = tasks_of("echo", engine)[0]
    (network,) = task.addresses
    replica = make_replica("lab_echo", task, node, {network})
    assert replica is not None
    assert replica.host == task.addresses[network]
    assert replica.address(8080) == (replica.host, 8080)


@each_engine
@pytest.mark.parametrize("change", [{"DesiredState": "shutdown"}, {"DesiredState": "remove"}])
def test_a_task_that_is_told_to_stop_is_no_replica(engine: str, change: dict[str, str]) -> None:
    answer = next(found for found in answers("tasks", engine) if tag(found) == "echo") | change
    assert make_replica("lab_echo", parse_task(answer), parse_node(answers("nodes", engine)[0])) is None


@each_engine
def test_a_task_without_a_port_is_no_replica_yet(engine: str) -> None:
    answer = next(found for found in answers("tasks", engine) if tag(found) == "echo")
    answer["Status"].pop("PortStatus")
    assert make_replica("lab_echo", parse_task(answer), parse_node(answers("nodes", engine)[0])) is None


@each_engine
def test_a_task_that_crashed_tells_its_exit_code(engine: str) -> None:
    failed = [task for task in tasks_of("bad", engine) if task.has_failed]
    assert {(task.state, task.exit_code, task.is_wanted) for task in failed} == {("failed", 3, False)}
    assert {task.error for task in failed} == {"task: non-zero exit (3)"}


@each_engine
def test_what_keeps_a_task_from_starting_is_told_in_dockers_words(engine: str) -> None:
    assert {task.error for task in tasks_of("missing", engine)} == {"No such image: nosuch:1"}
    assert {task.exit_code for task in tasks_of("missing", engine)} == {None}
    assert {(task.state, task.error) for task in tasks_of("nowhere", engine)} == {
        ("pending", "no suitable node (scheduling constraints not satisfied on 3 nodes)")
    }
    assert all("/nonexistent" in task.error for task in tasks_of("nocmd", engine) if task.has_failed)


@each_engine
def test_a_task_that_has_done_its_work_has_ended(engine: str) -> None:
    (task,) = tasks_of("once", engine)
    assert (task.state, task.exit_code, task.has_ended, task.is_wanted) == ("complete", 0, True, False)


@each_engine
def test_a_service_tells_its_replicas_and_its_last_update(engine: str) -> None:
    echo = parse_service(answers("services", engine)[0])
    assert (echo.name, echo.replicas, echo.update_state) == ("lab_echo", 6, "")
    assert echo.labels["com.docker.stack.namespace"] == "lab"
    assert echo.version == answers("services", engine)[0]["Version"]["Index"]


def test_a_global_service_has_no_number_of_replicas() -> None:
    answer = answers("services")[0]
    answer["Spec"]["Mode"] = {"Global": {}}
    answer["UpdateStatus"] = {"State": "paused", "Message": "update paused due to failure"}
    service = parse_service(answer)
    assert (service.replicas, service.update_state) == (None, "paused")
    assert service.update_message == "update paused due to failure"


def test_an_engine_tells_what_it_is_in_its_swarm() -> None:
    swarm = {"NodeID": "n1", "ControlAvailable": True, "RemoteManagers": [{"NodeID": "n1", "Addr": "10.0.0.1:2377"}]}
    assert parse_info({"Swarm": swarm}) == SwarmInfo("n1", True, ("10.0.0.1:2377",))
    assert parse_info({"Swarm": {"NodeID": "", "RemoteManagers": None}}) == SwarmInfo("", False)
