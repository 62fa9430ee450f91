"""How many replicas a service needs, from what is in flight and queued: after Knative's Pod Autoscaler (KPA).

https://knative.dev/docs/serving/autoscaling/kpa-specific/
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import Final

from composectl.balance.replica_range import ReplicaRange

_MAX_UP: Final = 10  # times the replicas that are ready or on their way, in one decision
_MAX_DOWN: Final = 2  # those that are ready, divided by it
_FLOOR: Final = 0.9  # of what the panic window needs: a range does not wait a stable window for so much
_TOLERANCE: Final = 0.1  # of a replica: by so little a number does not fall at once
_DEFAULT_TARGET: Final = 10.0
_SHARE_OF_CAP: Final = 0.75
_PANIC: Final = 2  # times what is ready
_SLACK: Final = 1e-9  # of sums that are a whole number but for the rounding


@dataclass(frozen=True, slots=True)
class AutoscaleConfig:
    """Seconds, named as Knative names them.

    `target_in_flight`: requests and connections at each replica, on average; queued ones count, too. None for 10, or
    for three quarters of the cap where there is one. `target_cpu`: the share of its CPUs that a replica may use, on
    average; None where they are not looked at. `max_memory`: the share of the machine's memory in use above which no
    more replicas come, None for any. `sleep_after`: without a request, where the range begins at 0.
    """

    target_in_flight: int | None = None
    stable_window: float = 60.0
    panic_window: float = 6.0
    scale_down_delay: float = 0.0
    target_cpu: float | None = None
    max_memory: float | None = None
    sleep_after: float = 300.0

    def target(self, cap: int | None) -> float:
        """The requests for each replica, where so many may be in flight there."""
        if self.target_in_flight is not None:
            return self.target_in_flight
        return _DEFAULT_TARGET if cap is None else max(1.0, _SHARE_OF_CAP * cap)


@dataclass(frozen=True, slots=True)
class Sample:
    """What has come together until `at`, by a clock in seconds; the sum over several processes is one, too.

    `load`: the time integral of the requests in flight and queued, in request-seconds. `cpu`: the same of the CPUs that
    replicas use, each as a share of what it may use, in replica-seconds. `requests`: so many have come.
    """

    at: float
    load: float
    cpu: float = 0.0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """`desired` replicas, and why; `panics`: the load has at least doubled within the panic window."""

    desired: int
    reason: str
    panics: bool = False


class Autoscaler:
    """Decides from the samples of one service; the same samples lead to the same decisions.

    `bounds` may change at any time. `cap`: so many requests may be in flight at a replica.
    """

    def __init__(self, bounds: ReplicaRange, config: AutoscaleConfig, cap: int | None = None) -> None:
        self.bounds = bounds
        self._config = config
        self._target = config.target(cap)
        self._samples: deque[Sample] = deque()
        self._since = self._active_at = 0.0
        self._panics_since: float | None = None
        self._panic_most = 0
        self._needed_at = 0.0  # the last time that all desired replicas were needed
        self._wanted: deque[tuple[float, int]] = deque()  # within the delay, each larger than all after it

    def observe(self, sample: Sample) -> None:
        """Take a sample, which is newer than those before."""
        samples = self._samples
        last = samples[-1] if samples else None
        if last is None:
            self._since = sample.at
        if last is None or sample.load > last.load or sample.requests > last.requests:
            self._active_at = sample.at
        samples.append(sample)
        horizon = sample.at - max(self._config.stable_window, self._config.panic_window)
        while len(samples) > 2 and samples[1].at <= horizon:
            samples.popleft()

    def restart(self) -> None:
        """Forget what was: the service has slept."""
        self._samples.clear()
        self._wanted.clear()
        self._panics_since = None

    def decide(self, ready: int, desired: int, capacity: int | None = None) -> Decision:
        """For a service of which so many replicas are ready now, of those that are `desired` until now.

        `capacity`: this machine has memory for so many more; None where that is not looked at.
        """
        if len(self._samples) < 2:
            return Decision(self.bounds.within(desired), "nothing is known yet")
        now = self._samples[-1].at
        if self.bounds.least == 0 and now - self._active_at >= self._config.sleep_after:
            return Decision(0, f"no request for {self._config.sleep_after:g} s")
        wanted, reason = self._wanted_by_load(now, ready, desired)
        if self._config.target_cpu is not None:
            by_cpu, of_cpu = self._wanted_by_cpu(ready, desired, self._config.target_cpu)
            if by_cpu > wanted:
                wanted, reason = by_cpu, of_cpu
        delayed = self._after_delay(now, wanted)
        if delayed > wanted:
            reason = f"{reason}, after a delay of {self._config.scale_down_delay:g} s"
        if delayed < desired and now - self._since < self._config.stable_window:
            delayed = desired  # what is known is too short a time
        if capacity is not None and delayed > desired + capacity:
            delayed, reason = desired + capacity, f"{reason}, and too little memory for more"
        allowed = self.bounds.within(delayed)
        if allowed < delayed:
            reason = f"{reason}, at most {allowed}"
        return Decision(allowed, reason, self._panics_since is not None)

    # Private

    def _wanted_by_load(self, now: float, ready: int, desired: int) -> tuple[int, str]:
        config = self._config
        stable, panic = self._average(config.stable_window), self._average(config.panic_window)
        self._look_for_panic(now, _needed(panic, self._target) >= _PANIC * max(1, ready))
        of_stable, of_panic = (
            f"{stable:.1f} in flight over {config.stable_window:g} s",
            f"{panic:.1f} in flight over {config.panic_window:g} s",
        )
        steady, recent = self._with_tolerance(now, stable, desired), _needed(_FLOOR * panic, self._target)
        wanted, reason = (recent, of_panic) if recent > steady else (steady, of_stable)
        wanted = _limited(wanted, ready, desired)
        if self._panics_since is None:
            return wanted, reason
        suddenly = _limited(_needed(panic, self._target), ready, desired)
        self._panic_most = max(self._panic_most, wanted, suddenly)
        return self._panic_most, of_panic

    def _look_for_panic(self, now: float, over: bool) -> None:
        if over:
            if self._panics_since is None:
                self._panic_most = 0
            self._panics_since = now
        elif self._panics_since is not None and now - self._panics_since >= self._config.stable_window:
            self._panics_since = None

    def _with_tolerance(self, now: float, load: float, desired: int) -> int:
        """What the load needs; `desired`, where that is within the tolerance, for a stable window."""
        wanted = _needed(load, self._target)
        if wanted >= desired:
            self._needed_at = now
        elif now - self._needed_at < self._config.stable_window:
            wanted = min(desired, _needed(load + _TOLERANCE * self._target, self._target))
        return wanted

    def _wanted_by_cpu(self, ready: int, desired: int, target: float) -> tuple[int, str]:
        used = self._average(self._config.stable_window, of_cpu=True)
        share = used / max(1, ready)
        reason = f"{share:.0%} of the CPUs over {self._config.stable_window:g} s"
        return _limited(_needed(used, target), ready, desired), reason

    def _average(self, seconds: float, *, of_cpu: bool = False) -> float:
        """Over the last seconds, or as many as are known."""
        newest = self._samples[-1]
        start = max(newest.at - seconds, self._samples[0].at)
        if newest.at <= start:
            return 0.0
        later = newest
        for sample in reversed(self._samples):
            if sample.at <= start:
                part = (start - sample.at) / (later.at - sample.at) if later.at > sample.at else 0.0
                before = _sum(sample, of_cpu) + part * (_sum(later, of_cpu) - _sum(sample, of_cpu))
                return (_sum(newest, of_cpu) - before) / (newest.at - start)
            later = sample
        return 0.0

    def _after_delay(self, now: float, wanted: int) -> int:
        """The most that was wanted within the delay."""
        history = self._wanted
        while history and history[-1][1] <= wanted:
            history.pop()
        history.append((now, wanted))
        while now - history[0][0] > self._config.scale_down_delay:
            history.popleft()
        return history[0][1]


# Private


def _needed(load: float, target: float) -> int:
    return ceil(load / target - _SLACK)


def _limited(replicas: int, ready: int, desired: int) -> int:
    """What may be reached in one step."""
    return min(max(replicas, ready // _MAX_DOWN), _MAX_UP * max(1, ready, desired))


def _sum(sample: Sample, of_cpu: bool) -> float:
    return sample.cpu if of_cpu else sample.load
