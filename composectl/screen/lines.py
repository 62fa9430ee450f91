"""A change as one plain line, for where there is no terminal."""

from composectl.balance.change import Change
from composectl.balance.snapshot import ChangeView
from composectl.screen.clock import time_of_day
from composectl.screen.harmless import harmless


def change_line(who: str, change: Change | ChangeView) -> str:
    """`12:03:44 echo-3 starting -> ready: its port accepts`."""
    return f"{time_of_day(change.at)} {move_line(who, change)}"


def move_line(who: str, change: Change | ChangeView) -> str:
    """The same without the time."""
    why = f": {change.why}" if change.why else ""
    return harmless(f"{who} {change.before} -> {change.after}{why}")
