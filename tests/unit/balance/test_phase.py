"""The phase table, as the docs show it."""

import pytest

from composectl.balance.phase import Phase, Signal, after
from scripts.phases import grid, renewed
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "concepts" / "life-of-a-backend.md"


def test_the_docs_show_the_table() -> None:
    assert grid() in PAGE.read_text()


@pytest.mark.parametrize("signal", list(Signal))
def test_nothing_revives_what_is_gone(signal: Signal) -> None:
    assert after(Phase.GONE, signal) is None


def test_the_script_writes_the_grid_anew_and_nothing_else() -> None:
    page = PAGE.read_text()
    assert renewed(page.replace(grid(), "| phase | old |\n| --- | --- |")) == page


@pytest.mark.parametrize("signal", [Signal.HEALTHY, Signal.UNHEALTHY, Signal.DISABLE, Signal.ENABLE, Signal.DRAIN])
def test_a_draining_backend_is_deaf_to_all_but_its_end(signal: Signal) -> None:
    assert after(Phase.DRAINING, signal) is None
    assert after(Phase.DRAINED, signal) is None


@pytest.mark.parametrize("signal", [Signal.HEALTHY, Signal.UNHEALTHY, Signal.IDLE])
def test_maintenance_is_deaf_to_what_is_observed(signal: Signal) -> None:
    assert after(Phase.MAINTENANCE, signal) is None


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.GONE])
def test_whatever_is_removed_is_gone(phase: Phase) -> None:
    assert after(phase, Signal.REMOVED) is Phase.GONE
