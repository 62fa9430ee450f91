"""Nodes, services and tasks of a swarm as the Docker Engine API describes them, parsed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from composectl.balance.backend import Replica
from composectl.sanitize import sanitize

STACK = "com.docker.stack.namespace"
"""The label of a stack's services, with the stack's name."""
RUNNING = "running"
DOWN = "down"
ENDED = ("complete", "failed", "orphaned", "rejected", "remove", "shutdown")
"""The states of a task that has no container any more."""

Ports = tuple[tuple[int, int], ...]
_Json = Mapping[str, Any]
_SECOND = 1e9  # in nanoseconds
_GRACE_PERIOD = 10.0  # what Docker gives where the service says nothing


@dataclass(frozen=True, slots=True)
class SwarmInfo:
    """`node_id`: that of the engine, "" where it is in no swarm. `managers`: their addresses, as `host:port`."""

    node_id: str
    is_manager: bool
    managers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SwarmNode:
    """`address`: where the ports of its tasks are reached. `state`: ready, down, unknown or disconnected.

    `availability`: active, pause or drain. `engine`: the version of its engine.
    """

    id: str
    hostname: str
    address: str
    state: str
    availability: str
    is_manager: bool
    engine: str = ""


@dataclass(frozen=True, slots=True)
class SwarmTask:
    """One container of a service, which is never started twice; `service` is the id of that.

    `slot`: its number within the service, 0 in a global one. `state` and `desired_state` are Docker's words.
    `exit_code`: None before the container has ended. `ports`: each port of the container with the one at which its node
    publishes it; empty before the task runs, and soon after it is told to stop. `addresses`: its own, by the id of the
    network. `created` and `changed`, the moment of its last state, are Docker's timestamps. `spec`: what its container
    is made from.
    """

    id: str
    service: str
    slot: int
    node_id: str
    desired_state: str
    state: str
    created: str
    changed: str = ""
    error: str = ""
    container_id: str = ""
    exit_code: int | None = None
    ports: Ports = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    stop_grace_period: float = _GRACE_PERIOD
    spec: _Json = field(default_factory=dict, compare=False, repr=False)

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def is_wanted(self) -> bool:
        """Whether Swarm means it to run, now or as soon as its predecessor has ended."""
        return self.desired_state in (RUNNING, "ready") and not self.has_ended

    @property
    def has_failed(self) -> bool:
        """Whether it has ended though it was to run on; one that was told to stop has not."""
        return self.state in ("failed", "rejected") or (self.state == "complete" and self.desired_state != "remove")


@dataclass(frozen=True, slots=True)
class SwarmService:
    """`version`: the index that an update has to name. `replicas`: None for a global service.

    `published`: the ports that every node publishes for it. `update_state`: Docker's word for its last update, ""
    where there was none.
    """

    id: str
    name: str
    version: int
    replicas: int | None
    spec: _Json = field(compare=False, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    published: frozenset[int] = frozenset()
    update_state: str = ""
    update_message: str = ""

    @property
    def restarts_always(self) -> bool:
        """Whether a task follows each that has failed."""
        policy = self.spec["TaskTemplate"].get("RestartPolicy") or {}
        return policy.get("Condition") != "none" and not policy.get("MaxAttempts")


def parse_info(answer: _Json) -> SwarmInfo:
    """What the answer of GET /info tells of the swarm."""
    found = answer.get("Swarm") or {}
    managers = tuple(manager["Addr"] for manager in found.get("RemoteManagers") or ())
    return SwarmInfo(found.get("NodeID") or "", bool(found.get("ControlAvailable")), managers)


def parse_node(answer: _Json) -> SwarmNode:
    """One item of GET /nodes; a manager's `Status.Addr` may be 0.0.0.0 or 127.0.0.1, so that the other one counts."""
    manager, status, about = answer.get("ManagerStatus") or {}, answer["Status"], answer.get("Description") or {}
    address = str(manager.get("Addr") or "").rpartition(":")[0].strip("[]") or str(status.get("Addr") or "")
    return SwarmNode(
        answer["ID"],
        sanitize(about.get("Hostname") or answer["ID"]),
        address,
        status["State"],
        answer["Spec"]["Availability"],
        bool(manager),
        sanitize((about.get("Engine") or {}).get("EngineVersion") or ""),
    )


def parse_task(answer: _Json) -> SwarmTask:
    """One item of GET /tasks."""
    status, spec = answer["Status"], answer["Spec"]
    container = status.get("ContainerStatus") or {}
    grace_period = (spec.get("ContainerSpec") or {}).get("StopGracePeriod")
    has_run = bool(container.get("ContainerID"))
    return SwarmTask(
        id=answer["ID"],
        service=answer["ServiceID"],
        slot=answer.get("Slot") or 0,
        node_id=answer.get("NodeID") or "",
        desired_state=answer["DesiredState"],
        state=status["State"],
        created=answer["CreatedAt"],
        changed=status.get("Timestamp") or "",
        error=sanitize(status.get("Err") or ""),
        container_id=container.get("ContainerID") or "",
        exit_code=(container.get("ExitCode") or 0) if has_run and status["State"] in ENDED else None,
        ports=_ports(status),
        addresses=dict(_addresses(answer)),
        stop_grace_period=_GRACE_PERIOD if grace_period is None else grace_period / _SECOND,
        spec=spec,
    )


def parse_service(answer: _Json) -> SwarmService:
    """One item of GET /services, or the answer of GET /services/{id}."""
    spec, update = answer["Spec"], answer.get("UpdateStatus") or {}
    ports = (answer.get("Endpoint") or {}).get("Ports") or ()
    replicated = (spec.get("Mode") or {}).get("Replicated")
    return SwarmService(
        answer["ID"],
        sanitize(spec["Name"]),
        answer["Version"]["Index"],
        None if replicated is None else replicated.get("Replicas") or 0,
        spec,
        spec.get("Labels") or {},
        frozenset(port.get("PublishedPort") or 0 for port in ports) - {0},
        update.get("State") or "",
        sanitize(update.get("Message") or ""),
    )


def make_replica(service: str, task: SwarmTask, node: SwarmNode, networks: Collection[str] = ()) -> Replica | None:
    """The replica that a task of the service with this name is; None where it does not run, or is not reached yet.

    It is reached at its own address on one of `networks`, ids, or else at the ports that its node publishes for it.
    """
    own = next((address for network, address in task.addresses.items() if network in networks), "")
    if task.state != RUNNING or not task.is_wanted or not (own or task.ports):
        return None
    return Replica(
        id=task.id,
        started=task.created,
        number=task.slot,
        name=task_name(service, task),
        host=own or node.address,
        stop_grace_period=task.stop_grace_period,
        ports=() if own else task.ports,
        node=node.hostname,
    )


def task_name(service: str, task: SwarmTask) -> str:
    """As `docker service ps` writes it: `shop_echo.3`, with the node's id where there are no slots."""
    return f"{service}.{task.slot or task.node_id}"


# Private


def _addresses(answer: _Json) -> Iterator[tuple[str, str]]:
    for attachment in answer.get("NetworksAttachments") or ():
        for address in attachment.get("Addresses") or ():
            yield attachment["Network"]["ID"], address.partition("/")[0]


def _ports(status: _Json) -> Ports:
    """Its TCP ports; each stands there once for IPv4 and once for IPv6."""
    found = (status.get("PortStatus") or {}).get("Ports") or ()
    pairs = {
        entry["TargetPort"]: entry["PublishedPort"]
        for entry in reversed(found)
        if entry.get("Protocol") == "tcp" and entry.get("PublishedPort")
    }
    return tuple(sorted(pairs.items()))
