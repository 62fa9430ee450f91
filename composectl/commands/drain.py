"""`composectl drain` and `undrain`: one backend out of rotation by hand, and back, through the running composectl."""

from __future__ import annotations

from composectl.compose.options import Invocation
from composectl.control.client import find_running
from composectl.control.commands import Place
from composectl.screen.console import print_progress


def drain(invocation: Invocation, service: str, number: int) -> int:
    """Wait until nothing is in flight there, telling each step on stderr. Raises ComposectlError."""
    return print_progress(find_running(invocation).drain(Place(service, number)))


def undrain(invocation: Invocation, service: str, number: int) -> int:
    """Wait until it is found to be well, or not. Raises ComposectlError."""
    return print_progress(find_running(invocation).undrain(Place(service, number)))
