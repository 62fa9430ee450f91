"""`python -m bench.guard_checks`: what a rate limit and other guards cost a request, in nanoseconds of CPU time.

Each check is of a client that is known, of one of 50,000 that take turns, or of a new one each time.

Run it with PYTHONPATH=.tools/compiled:. and `-P` for the form that is installed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from itertools import cycle, islice
from statistics import median

from composectl.proxy.guards import Guards
from composectl.proxy.limits import GuardConfig
from composectl.proxy.token_buckets import RateLimit

_CHECKS, _ROUNDS = 200_000, 7
_BOUND = 1_000
_GUARDS = {
    "rate limit": GuardConfig(rate_limit=RateLimit(999_999, 1, 999_999)),
    "rate limit that refuses": GuardConfig(rate_limit=RateLimit(1, 3600, 1)),
    "networks": GuardConfig(deny_ip=(ip_network("198.51.100.0/24"), ip_network("2001:db8:bad::/48"))),
    "requests in flight": GuardConfig(max_in_flight_per_client=10),
}


def _v4(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _v6(number: int) -> str:
    return f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"


def _clients(make: Callable[[int], str]) -> dict[str, Sequence[str]]:
    many = [make(number) for number in range(_CHECKS)]
    return {
        "one client": many[:1] * _CHECKS,
        "50,000 clients": list(islice(cycle(many[:50_000]), _CHECKS)),
        "new clients": many,
    }


def _nanoseconds(config: GuardConfig, clients: Sequence[str]) -> float:
    guards = Guards(config)
    admit, release = guards.admit, guards.release
    began = time.thread_time_ns()
    for client in clients:
        if admit(client) is None:
            release(client)
    return (time.thread_time_ns() - began) / len(clients)


def main() -> int:
    within = True
    for name, config in _GUARDS.items():
        for version, make in (("IPv4", _v4), ("IPv6", _v6)):
            for which, clients in _clients(make).items():
                cost = median(_nanoseconds(config, clients) for _ in range(_ROUNDS))
                within &= cost <= _BOUND or not name.startswith("rate")
                print(f"{name:24} {version:5} {which:15} {cost:6.0f} ns")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
