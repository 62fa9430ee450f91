"""Commands that are given on the page."""

from __future__ import annotations

from composectl.control.commands import BackendRef as At
from composectl.control.commands import CanaryDecision, ScaleRequest
from tests.support.chromium import Chromium, Page
from tests.support.dashboard_client import DashboardClient
from tests.support.fake_dashboard import TOKEN, FakeDashboard
from tests.support.proxy_process import Workspace
from tests.support.wait import wait_until

MOST_STEPS = 60
FOCUSED = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"


def test_without_the_token_there_are_no_buttons(chromium: Chromium) -> None:
    with FakeDashboard().shown() as url:
        for fragment in ("", "#token=another"):
            page = chromium.page()
            page.visit(url + fragment)
            assert page.comes_to("!document.getElementById('control-hint').hidden")
            assert page.value("[...document.querySelectorAll('button')].every((one) => !one.checkVisibility())")
        assert "belongs to an earlier composectl" in page.text("#control-hint")


def test_without_control_nothing_is_said_of_it(place: Workspace, chromium: Chromium) -> None:
    site, page = DashboardClient(place), chromium.page()
    page.visit(site.url)
    assert page.comes_to("document.querySelectorAll('.backends tbody tr').length === 2")
    assert page.value("document.getElementById('control-hint').hidden")
    site.ends()


def test_the_token_leaves_the_address_and_stays_with_the_tab(chromium: Chromium) -> None:
    with FakeDashboard().shown() as url:
        page = ready(chromium, url)
        assert page.value("location.href") == url
        page.visit(url)
        assert page.comes_to("document.querySelector('.steering')?.checkVisibility()")


def test_one_is_drained_and_taken_back_by_the_keyboard_alone(place: Workspace, chromium: Chromium) -> None:
    site, page = DashboardClient(place, "--dashboard-control"), chromium.page()
    page.visit(site.url)
    assert page.comes_to("document.querySelectorAll('.backends button').length === 2")
    go_to(page, "Drain 2, ")
    assert page.value("document.activeElement.matches(':focus-visible')")
    page.press("Enter")
    assert place.comes_to("ready", "maintenance")
    assert page.comes_to("document.querySelectorAll('.command-state')[0]?.innerText === 'done'")
    assert "nothing is in flight" in page.text("#commands") or "drained" in page.text("#commands").lower()
    assert page.comes_to(f"({FOCUSED}).startsWith('Undrain 2, ')")
    page.press(" ")
    assert place.comes_to("ready", "ready")
    site.ends()


def test_fixed_backends_can_be_drained_and_not_scaled(place: Workspace, chromium: Chromium) -> None:
    site, page = DashboardClient(place, "--dashboard-control"), chromium.page()
    page.visit(site.url)
    assert page.comes_to("document.querySelector('.backends button')?.checkVisibility()")
    assert not page.value("document.querySelector('.stepper').checkVisibility()")
    site.ends()


def test_several_steps_are_one_command(chromium: Chromium) -> None:
    shop = FakeDashboard()
    with shop.shown() as url:
        page = ready(chromium, url)
        go_to(page, "one more of echo")
        for key in ("Enter", "Enter"):
            page.press(key)
        go_to(page, "Scale")
        page.press("Enter")
        assert wait_until(lambda: shop.commands == [ScaleRequest({"echo": 5})])
        assert page.comes_to("document.querySelector('.command-state').innerText === 'done'")
        assert page.texts("#commands-list li li") == ["echo-2 draining, 1 in flight", "echo-2 removed"]


def test_fewer_are_asked_about_and_escape_says_no(chromium: Chromium) -> None:
    shop = FakeDashboard()
    with shop.shown() as url:
        page = ready(chromium, url)
        go_to(page, "one fewer of echo")
        page.press("Enter")
        go_to(page, "Scale")
        page.press("Enter")
        assert page.comes_to("document.getElementById('confirm').open")
        assert page.text("#confirm-title") == "Scale echo from 3 to 2?"
        page.press("Escape")
        assert page.comes_to("!document.getElementById('confirm').open")
        assert page.value(FOCUSED) == "Scale"
        assert shop.commands == []
        page.press("Enter")
        go_to(page, "Scale", among="dialog")
        page.press("Enter")
        assert wait_until(lambda: shop.commands == [ScaleRequest({"echo": 2})])


def test_what_went_wrong_is_told_with_its_hint(chromium: Chromium) -> None:
    with FakeDashboard().shown() as url:
        page = ready(chromium, url)
        go_to(page, "Roll out")
        page.press("Enter")
        go_to(page, "Roll out", among="dialog")
        page.press("Enter")
        assert page.comes_to("document.querySelector('.command-state')?.innerText === 'failed'")
        shown = page.text("#commands-list")
        assert "echo-4 is ready" in shown
        assert "rollout of `echo` aborted: `echo-4` is not ready after 60 s; its last lines:\n  no such <file>" in shown
        assert "hint: the old replicas still serve" in shown


def test_a_canary_is_promoted(chromium: Chromium) -> None:
    shop = FakeDashboard()
    shop.watched.pool.leases.begin_canary({backend.replica.id for backend in shop.watched.pool.backends[:2]}, 0.1)
    with shop.shown() as url:
        page = ready(chromium, url)
        assert page.texts(".canary") == ["", "", "canary at 10%"]
        go_to(page, "Promote the canary of echo")
        page.press("Enter")
        assert wait_until(lambda: shop.commands == [CanaryDecision("echo", promote=True)])


def test_a_command_names_the_backend_of_its_row(chromium: Chromium) -> None:
    shop = FakeDashboard()
    with shop.shown() as url:
        page = ready(chromium, url)
        go_to(page, "Drain 3, echo-3")
        page.press("Enter")
        assert wait_until(lambda: shop.commands == [At("echo", 3)])


def ready(chromium: Chromium, url: str) -> Page:
    """A page that may give commands."""
    page = chromium.page()
    page.visit(f"{url}#token={TOKEN}")
    assert page.comes_to("document.querySelector('.steering')?.checkVisibility()")
    return page


def go_to(page: Page, words: str, among: str = "body") -> None:
    """Press Tab until what is called so has the focus, within what `among` selects."""
    for _ in range(MOST_STEPS):
        if str(page.value(FOCUSED)).startswith(words) and page.value(
            f"Boolean(document.activeElement.closest('{among}'))"
        ):
            return
        page.press("Tab")
    raise AssertionError(f"{MOST_STEPS} steps do not lead to {words}")
