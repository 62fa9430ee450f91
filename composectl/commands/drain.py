"""`composectl drain` and `undrain`: one backend out of rotation by hand, and back, through the running composectl."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from composectl.commands.invocation import Invocation
from composectl.commands.locating import find_running
from composectl.control.orders import Place


def drain(invocation: Invocation, service: str, number: int) -> int:
    """Wait until nothing is in flight there, telling each step on stderr. Raises ComposectlError."""
    return _tell(find_running(invocation).drain(Place(service, number)))


def undrain(invocation: Invocation, service: str, number: int) -> int:
    """Wait until it is found to be well, or not. Raises ComposectlError."""
    return _tell(find_running(invocation).undrain(Place(service, number)))


# Private


def _tell(lines: Iterable[str]) -> int:
    for line in lines:
        sys.stderr.write(line + "\n")
    return 0
