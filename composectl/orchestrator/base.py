"""The protocol of an orchestrator: it reports the replicas of services, and makes and removes them where it can."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from composectl.balance.backend import Replica
from composectl.balance.waiting import Condition
from composectl.compose.update_config import UpdateConfig
from composectl.errors import plural

if TYPE_CHECKING:
    from composectl.engine.containers import ExitedContainer
    from composectl.engine.output import OutputLine
    from composectl.engine.usage import Usage
    from composectl.engine.watch import ReplicaObserver
    from composectl.errors import ComposectlError


@dataclass(frozen=True, slots=True)
class ForeignContainer:
    """A container of a service that another tool has made.

    `blocked`: it asks for a port that the proxy has. `failed`: the other tool has tried to start it.
    """

    runs: bool
    blocked: bool
    failed: bool = False


@dataclass(frozen=True, slots=True)
class UpdateStep:
    """`parallel` replicas are replaced at once, by new ones that come first unless `stop_first`."""

    parallel: int
    stop_first: bool = False


Revision = bytes  # what the replicas of a service are made from: a project as the orchestrator reads it


class Orchestrator:
    """`desired`: the number of replicas, by service; ids are those of containers. Methods raise ComposectlError.

    With a `refusal` it only reports replicas, and the methods from `start` on are not for it.
    """

    are_elsewhere = False  # its replicas are on other machines, too, and go on where this one shuts down
    can_choose_victim = True  # else `scale_to` chooses which replicas are removed
    after_kill = "the containers were killed: `composectl down` removes them"  # what is told
    directory = ""  # the project's, as an absolute path
    notes: tuple[str, ...] = ()  # what is told before anything is started, a sentence each
    logs_command = ""  # that shows what the replicas print; "" where nothing does
    profiles: tuple[str, ...] = ()  # those of Compose that the services are in
    published_host = ""  # the address at which replicas publish ports for the proxy; "" where theirs are used

    def __init__(self, desired: Mapping[str, int], refusal: ComposectlError | None = None) -> None:
        self.desired = dict(desired)
        self.refusal = refusal

    def check_managed(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def describe(self, service: str) -> str:
        """The backends of a service, in words."""
        return plural(self.desired[service], "replica")

    def shared_data(self, service: str) -> str:
        """A warning where several replicas of the service write to one volume; "" where they do not."""
        return ""

    def count(self, service: str, replicas: Sequence[Replica]) -> None:
        """Take note of all the running replicas of a service, as they were listed."""

    async def watch(self, observer: ReplicaObserver) -> NoReturn:
        """Report the replicas as they come, change and go, until cancelled."""
        raise NotImplementedError

    async def conditions(self, well: Collection[str], suspects: Collection[str]) -> list[Condition]:
        """Of all replicas but those with the ids in `well`; of other containers of the project, those that ail.

        `suspects`: the ids of other containers that are told of, too.
        """
        return []

    def close(self) -> None:
        """Release the connections."""

    async def owns_port(self, service: str, port: int) -> bool:
        """Whether a replica of the service publishes this port."""
        return False

    async def port_owner(self, port: int) -> str:
        """The container that publishes this port, in words; empty where there is none."""
        return ""

    async def stop(self, *, kill: bool = False) -> None:
        """Stop the services that were started, or `kill` them."""

    async def stop_started(self, *, kill: bool = False) -> None:
        """Stop, or `kill`, the services that `start` has started; those of which something ran before go on."""

    async def start(self) -> None:
        """Bring up everything that was asked for."""
        raise NotImplementedError

    async def replicas(self, service: str) -> list[Replica]:
        raise NotImplementedError

    async def containers(self, service: str) -> dict[str, str]:
        """The names of all containers of a service, by id, whether or not they run, without foreign ones."""
        raise NotImplementedError

    async def exited(self, service: str) -> list[ExitedContainer]:
        """The containers that do not run though they were told to."""
        raise NotImplementedError

    async def replaces_ended(self, service: str) -> bool:
        """Whether others come by themselves for the containers that have ended."""
        return False

    async def foreign(self, service: str) -> dict[str, ForeignContainer]:
        """The containers that another tool has made of another configuration, by id."""
        return {}

    async def start_created(self) -> list[str]:
        """Start the services that are not balanced and of which a container was made and not started; their names."""
        return []

    async def ready_seconds(self, service: str) -> float:
        """How long its replicas may take to be ready, as their HEALTHCHECK says."""
        raise NotImplementedError

    async def new_output(
        self, seen: dict[str, str], count: int = 1000, service: str = "", number: int | None = None
    ) -> list[OutputLine]:
        """What the containers that were asked for have printed since `seen`, moments by id, which it updates.

        Of each container these are the last `count` lines at most. `service` and `number`: of these alone.
        """
        return []

    async def last_lines(self, id: str, count: int) -> Sequence[str]:  # noqa: A002 - Docker's word
        """The end of what a container has printed."""
        raise NotImplementedError

    def check_capacity(self, service: str, count: int, revision: Revision | None = None) -> None:
        """Raise where `count` replicas of a revision, by default the current one, cannot exist side by side."""
        raise NotImplementedError

    async def scale_to(self, service: str, count: int, revision: Revision | None = None) -> None:
        """Make replicas of a revision until there are `count`; none is replaced, or removed if `can_choose_victim`."""
        raise NotImplementedError

    async def usage(self, service: str) -> dict[str, Usage]:
        """What each running replica uses of its machine, by id; nothing where that is not known."""
        return {}

    def memory(self) -> tuple[int, int] | None:
        """The bytes in use on the machine of the replicas, and all that it has; None where that is not known."""
        return None

    async def sleep(self, service: str, *, pause: bool) -> None:
        """Let no replica of the service run until `wake`; those that are stopped, or paused, are kept."""
        await self.scale_to(service, 0)

    async def wake(self, service: str) -> None:
        """Let one replica run again."""
        await self.scale_to(service, 1)

    async def run_pre_stop(self, service: str, id: str) -> None:  # noqa: A002 - Docker's word
        """Run what the service wants to be run in a container before that is stopped."""

    async def remove(self, id: str, grace_period: float | None = None) -> None:  # noqa: A002 - Docker's word
        """Remove a container; first stop it, with `grace_period` seconds before it is killed, unless that is None."""
        raise NotImplementedError

    async def newest_revision(self, service: str) -> str:
        """The project as the user's files make it now, rendered; the service is part of it."""
        raise NotImplementedError

    def revision(self, rendered: str) -> Revision:
        """The revision that a rendered project makes, with the ports of its replicas; `stop` includes its services."""
        raise NotImplementedError

    def update_config(self, service: str, revision: Revision) -> UpdateConfig:
        """How the service is to be updated to a revision, as far as that says so."""
        return UpdateConfig()

    async def is_outdated(self, service: str, revision: Revision) -> bool:
        """Whether the replicas of a service differ from those of a revision, in their definition or their image."""
        raise NotImplementedError

    def set_revision(self, service: str, revision: Revision) -> None:
        """Make the replicas of a service from this revision from now on."""
        raise NotImplementedError

    # Of one that chooses itself which replicas it replaces, and in which order

    async def desired_replicas(self, service: str) -> dict[str, str]:
        """The names of the replicas that are to run on, by id, whether or not they run yet."""
        raise NotImplementedError

    async def begin_update(self, service: str, revision: Revision | None, step: UpdateStep) -> None:
        """Have one step of replicas replaced by those of a revision, None for the current one, and no more of them."""
        raise NotImplementedError

    async def continue_update(self, service: str, step: UpdateStep) -> None:
        """Have one step more of the update replaced."""
        raise NotImplementedError

    async def revert_update(self, service: str, step: UpdateStep) -> None:
        """Have all that was replaced since `begin_update` replaced by what was before, step after step."""
        raise NotImplementedError

    async def end_update(self, service: str) -> None:
        """Have the service updated by others as its definition says, after an update or its reversal."""
        raise NotImplementedError
