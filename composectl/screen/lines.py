"""A change as one plain line, for where there is no terminal."""

from composectl.balance.change import Change
from composectl.balance.snapshot import ChangeView
from composectl.screen.clock import time_of_day
from composectl.screen.harmless import harmless


def change_line(who: str, change: Change | ChangeView) -> str:
    """`12:03:44 echo-3 starting -> ready: its port accepts`."""
    why = f": {change.why}" if change.why else ""
    move = f"{who} {change.before} -> {change.after}{why}"
    return f"{time_of_day(change.at)} {harmless(move)}"
