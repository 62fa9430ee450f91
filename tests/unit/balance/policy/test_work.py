"""A request costs the same work with a thousand backends as with ten."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from composectl.balance.backend import Backend
from composectl.balance.policy import LeastRequest, Policy, PowerOfTwoChoices, Random, RoundRobin, Source
from tests.support.factories import replica
from tests.support.policy_driver import acquire, release

pytestmark = pytest.mark.interpreted

REQUESTS = 300

POLICIES: dict[str, Callable[[], Policy]] = {
    "least-request": LeastRequest,
    "round-robin": RoundRobin,
    "random": lambda: Random(random.Random(1)),
    "p2c": lambda: PowerOfTwoChoices(random.Random(1)),
    "source": Source,
}


class Work:
    """Lines that a policy runs, and the looks that are had at backends: those of `list.remove` and `in`, too."""

    def __init__(self) -> None:
        self.done = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(before)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if "balance/policy" in frame.f_code.co_filename:
            self.done += event == "line"
            return self._trace
        return None


class Seen(Backend):
    """A backend that notices when it is looked at."""

    __slots__ = ("work",)

    def __init__(self, number: int, work: Work) -> None:
        super().__init__(replica(number), 0)
        self.work = work

    def __eq__(self, other: object) -> bool:
        self.work.done += 1
        return self is other

    def __hash__(self) -> int:
        self.work.done += 1
        return id(self)


def work_of(make: Callable[[], Policy], size: int, tried: int) -> int:
    """What so many requests of many clients cost, each of which has tried so many backends before."""
    work, policy, rng = Work(), make(), random.Random(1)
    backends = [Seen(number, work) for number in range(size)]
    for backend in backends:
        policy.add(backend)
    release(policy, acquire(policy))
    avoids: Sequence[Sequence[Backend]] = [rng.sample(backends, tried) for _ in range(REQUESTS)]
    in_flight: list[Backend] = []
    work.done = 0
    for number, avoid in enumerate(avoids):
        with work.counted():
            in_flight.append(acquire(policy, avoid, f"10.0.0.{number}"))
            if number % 3:
                release(policy, in_flight.pop(0))
    return work.done


@pytest.mark.parametrize("tried", [0, 1, 2])
@pytest.mark.parametrize("name", sorted(POLICIES))
def test_the_work_does_not_grow_with_the_backends(name: str, tried: int) -> None:
    assert work_of(POLICIES[name], 1000, tried) <= 1.1 * work_of(POLICIES[name], 10, tried)


def test_a_policy_that_looks_at_all_of_them_is_found_out() -> None:
    class Slow(RoundRobin):
        def acquire(self, avoid: Any = (), key: str = "") -> Backend | None:
            picked = super().acquire(avoid, key)
            waiting = list(self._turns)
            waiting.remove(waiting[-1])
            return picked

    assert work_of(Slow, 1000, 0) > 10 * work_of(Slow, 10, 0)
