"""What running composectls show: of one project, or of all together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from composectl import errors
from composectl.balance.phase import Phase
from composectl.balance.snapshot import VERSION, ServiceView, Snapshot

SERVING, NOBODY_READY = 0, 3
"""Exit codes of `status`; that nothing runs is an error, whose exit code is 1."""


@dataclass(frozen=True, slots=True)
class One:
    """The picture of one running composectl."""

    snapshot: Snapshot

    def as_json(self) -> dict[str, Any]:
        """The snapshot's own."""
        return self.snapshot.as_json()

    def table(self) -> Snapshot:
        """What the table shows."""
        return self.snapshot


@dataclass(frozen=True, slots=True)
class All:
    """The pictures of several, in one."""

    snapshots: Sequence[Snapshot]

    def as_json(self) -> dict[str, Any]:
        """Each as it is alone."""
        return {"version": VERSION, "projects": [snapshot.as_json() for snapshot in self.snapshots]}

    def table(self) -> Snapshot:
        """A single one, in which a service is called `project/service`."""
        services = tuple(_called(snapshot, service) for snapshot in self.snapshots for service in snapshot.services)
        stale = min((one.stale_since for one in self.snapshots if one.stale_since), default=None)
        return Snapshot(VERSION, "", services, stale)


Picture = One | All


def only(snapshot: Snapshot, services: Collection[str]) -> Snapshot:
    """The same with these services alone, where any are named. Raises `not_balanced`."""
    known = {one.service: one for one in snapshot.services}
    for name in services:
        if name not in known:
            raise errors.not_balanced(name, known)
    return replace(snapshot, services=tuple(known[name] for name in services or known))


def exit_code(picture: Picture) -> int:
    """Whether every service has a backend that is ready, for a shell."""
    return SERVING if all(map(_is_serving, picture.table().services)) else NOBODY_READY


# Private


def _called(snapshot: Snapshot, service: ServiceView) -> ServiceView:
    return replace(service, service=f"{snapshot.project}/{service.service}")


def _is_serving(service: ServiceView) -> bool:
    return any(backend.phase == Phase.READY for backend in service.backends)
