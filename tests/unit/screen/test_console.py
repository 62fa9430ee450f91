"""Without a terminal, a change is one plain line."""

import subprocess
import sys

from composectl.balance.backend import Transition
from composectl.balance.phase import Phase
from composectl.balance.snapshot import ChangeView, iso
from composectl.screen.console import change_line, reached_at, time_of_day

AT = 1_800_000_000.0
CHANGE = Transition(AT, "echo", 3, "demo-echo-3", Phase.STARTING, Phase.READY, "its port accepts")
VIEW = ChangeView(iso(AT), 3, "demo-echo-3", "starting", "ready", "its port accepts")


def test_a_change_is_told_in_one_line() -> None:
    assert change_line(CHANGE) == f"{time_of_day(AT)} demo-echo-3 starting -> ready: its port accepts"


def test_a_change_and_its_view_read_the_same() -> None:
    assert change_line(VIEW) == change_line(CHANGE)


def test_where_a_service_is_reached_is_told_with_its_redirect() -> None:
    listeners = ("0.0.0.0:443", "[::]:443")
    assert reached_at(listeners, ()) == "0.0.0.0:443, [::]:443"
    assert reached_at(listeners, ("0.0.0.0:80", "[::]:80")) == "0.0.0.0:443, [::]:443; port 80 redirects to https"


def test_a_change_without_a_reason_has_no_colon_after_it() -> None:
    assert change_line(ChangeView(iso(AT), 3, "", "ready", "gone", "")).endswith("ready -> gone")


def test_a_hostile_reason_stays_on_its_line() -> None:
    hostile = ChangeView(iso(AT), 3, "", "ready", "unhealthy", "\x1b[2Jgone\nand [bold]more")
    assert change_line(hostile).endswith("unhealthy: gone and [bold]more")


def test_plain_lines_do_not_wait_for_rich() -> None:
    modules = "composectl.screen.console, composectl.screen.live, composectl.screen.console"
    code = f"import sys, {modules}; sys.exit(any(name.split('.')[0] == 'rich' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
