"""What axe-core, which looks for what keeps people from using a page, finds."""

from __future__ import annotations

import pytest

from composectl.balance.waiting import Waiting
from tests.support.chromium import Chromium
from tests.support.fake_dashboard import TOKEN, FakeDashboard
from tests.support.paths import ROOT

AXE = ROOT / ".tools" / "axe.min.js"
FINDS = """
axe.run().then((found) => found.violations.map(
  (one) => `${one.impact} ${one.id}: ${one.nodes.map((node) => node.html)}`
))
"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_found(chromium: Chromium, width: int, dark: bool) -> None:
    assert AXE.exists(), "axe-core is missing: scripts/external brings it"
    shop = FakeDashboard()
    shop.notices = ("clients speak TLS",)
    shop.waiting = (Waiting("echo", 3, "3", "echo-3", "port 80", "Connection refused", "start it"),)
    shop.others = (Waiting("db", 1, "5", "db-1", "", "", state="exited", exit_code=1),)
    with shop.shown() as url:
        page = chromium.page(width=width, dark=dark)
        page.visit(f"{url}#token={TOKEN}")
        assert page.comes_to("document.querySelectorAll('.area').length === 3")
        page.value("document.querySelector('.backends button').click()")
        assert page.comes_to("document.querySelector('.command-state')?.innerText === 'done'")
        page.value(AXE.read_text() + ";0")
        assert page.value(FINDS) == []
