"""The pool: the backends of one service, and the only place where a phase changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from composectl.balance.backend import Backend, ContainerHealth, Key, Replica, Transition
from composectl.balance.lease import Leases
from composectl.balance.phase import Phase, Signal, after
from composectl.balance.policy import Capped, Policy
from composectl.balance.sessions import Sessions

OnTransition = Callable[[Transition, Backend], None]

_CHECKED: Final = (Phase.STARTING, Phase.UNHEALTHY)
_IDLE: Final = "nothing in flight"


class Pool:
    """The membership of one service and the phases of its backends; `leases` are the requests to them.

    `clock` gives epoch seconds; `on_transition` is called after every transition. `sessions` and `cap`: see `Leases`.
    """

    def __init__(
        self,
        service: str,
        policy: Policy,
        clock: Callable[[], float],
        on_transition: OnTransition,
        sessions: Sessions | None = None,
        cap: Capped | None = None,
    ) -> None:
        self.service = service
        self.since = clock()
        self.changes = dict.fromkeys(Phase, 0)  # transitions by the phase after
        self.leases = Leases(policy, self._idle, self.eject, sessions, cap)
        self.ready = 0  # backends
        self._clock = clock
        self._on_transition = on_transition
        self._backends: dict[Key, Backend] = {}

    @property
    def backends(self) -> list[Backend]:
        """All that are not gone, by number."""
        return sorted(self._backends.values(), key=lambda backend: (backend.replica.number, backend.replica.started))

    @property
    def has_room(self) -> bool:
        """Whether a backend that is ready may get one more request."""
        cap = self.leases.cap
        return self.ready > 0 if cap is None else cap.has_room

    def sync(self, replicas: Iterable[Replica]) -> None:
        """Take over the whole list of running replicas, as Docker reports it now."""
        seen = {replica.key: replica for replica in replicas}
        runs = {key[:2] for key in seen}
        for key in self._backends.keys() - seen.keys():
            reason = "its container has another address" if key[:2] in runs else "its container stopped"
            self._transition(self._backends[key], Signal.REMOVED, reason)
        for key, replica in seen.items():
            if key not in self._backends:
                backend = self._backends[key] = Backend(replica, self._clock())
                self.leases.add(backend)
            self._apply_health(self._backends[key], replica)

    def disable(self, id: str, reason: str) -> None:  # noqa: A002 - Docker's word
        """Put the backends of this container into maintenance."""
        for backend in self._of(id):
            self._transition(backend, Signal.DISABLE, reason)

    def enable(self, id: str, reason: str) -> None:  # noqa: A002 - Docker's word
        """End the maintenance of this container's backends: they are ready once a check has passed."""
        for backend in self._of(id):
            self._transition(backend, Signal.ENABLE, reason)
            self._apply_health(backend, backend.replica)

    def drain(self, id: str, reason: str) -> None:  # noqa: A002 - Docker's word
        """Send no new request to the backends of this container, which leave for good."""
        for backend in self._of(id):
            self._transition(backend, Signal.DRAIN, reason)
            if not backend.in_flight:
                self._transition(backend, Signal.IDLE, _IDLE)

    def remove(self, key: Key, reason: str) -> None:
        """Forget the replica at once: from now on its address may be that of another."""
        if backend := self._backends.get(key):
            self._transition(backend, Signal.REMOVED, reason)

    def drain_all(self, reason: str) -> None:
        for backend in self.backends:
            self.drain(backend.replica.id, reason)

    def due_for_check(self, *, ready: bool = False) -> list[Backend]:
        """The backends to check now: those that are not ready, unless Docker reports them unhealthy.

        While another one is ready, the ejection times are kept. `ready`: the ready ones, too.
        """
        now = self._clock()
        return [backend for backend in self._backends.values() if self._is_due_for_check(backend, now, ready)]

    def checked(
        self, backend: Backend, error: str | None, reason: str = "its port accepts", *, accepts: bool = False
    ) -> None:
        """Take the result of a check: an error, or None and the `reason` why it is healthy.

        Three failures in a row take a ready backend out. While no other is ready, one that `accepts` is better than
        none: it stays ready, and it comes back from an ejection.
        """
        backend.check_error = error or ""
        if error is None:
            if backend.replica.health is not ContainerHealth.UNHEALTHY:
                backend.outlier.check_passed()
                self._transition(backend, Signal.HEALTHY, reason)
        elif backend.phase is Phase.READY:
            if backend.outlier.check_failed() and not (accepts and self.ready == 1):
                self._transition(backend, Signal.UNHEALTHY, error)
        elif accepts and not self.ready and backend.outlier.is_ejected:
            self._transition(backend, Signal.HEALTHY, f"{error}, and no other is ready")

    def eject(self, backend: Backend, error: str) -> None:
        """Take a ready backend out that has refused connections too often, with the last `error`."""
        if backend.phase is Phase.READY:
            now = self._clock()
            backend.outlier.eject(now, ready_for=now - backend.since)
            backend.check_error = error
            self._transition(backend, Signal.UNHEALTHY, error)

    # Private

    def _of(self, id: str) -> list[Backend]:  # noqa: A002 - Docker's word
        return [backend for backend in self._backends.values() if backend.replica.id == id]

    def _apply_health(self, backend: Backend, replica: Replica) -> None:
        is_news = backend.phase is Phase.STARTING or replica.health is not backend.replica.health
        backend.replica = replica
        if replica.health is ContainerHealth.HEALTHY and is_news:
            self._transition(backend, Signal.HEALTHY, "healthy")
        elif replica.health is ContainerHealth.UNHEALTHY:
            self._transition(backend, Signal.UNHEALTHY, "unhealthy or paused")

    def _is_due_for_check(self, backend: Backend, now: float, ready: bool) -> bool:
        if backend.phase is Phase.READY:
            return ready
        if backend.phase not in _CHECKED or backend.replica.health is ContainerHealth.UNHEALTHY:
            return False
        return not self.ready or backend.outlier.may_be_checked(now)

    def _transition(self, backend: Backend, signal: Signal, reason: str) -> None:
        phase = after(backend.phase, signal)
        if phase is not None:
            self._enter(backend, phase, reason)

    def _enter(self, backend: Backend, phase: Phase, reason: str) -> None:
        before = backend.phase
        backend.phase, backend.since = phase, self._clock()
        self.changes[phase] += 1
        if phase is Phase.READY:
            backend.outlier.recovered()
            self.ready += 1
            self.leases.policy.add(backend)
        elif before is Phase.READY:
            self.ready -= 1
            self.leases.policy.remove(backend)
        if self.leases.sessions is not None:
            self.leases.sessions.phase_changed(backend, before)
        replica = backend.replica
        if phase is Phase.GONE:
            del self._backends[replica.key]
            self.leases.archive(backend)
        transition = Transition(backend.since, self.service, replica.number, replica.name, before, phase, reason)
        self._on_transition(transition, backend)

    def _idle(self, backend: Backend) -> None:
        if backend.phase is Phase.GONE:
            self.leases.archive(backend)
        else:
            self._transition(backend, Signal.IDLE, _IDLE)
