"""A project scaled and rolled out from the dashboard, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.e2e.test_rollout import ids
from tests.support.chromium import Chromium, Page
from tests.support.compose_project import ComposeProject
from tests.support.http_client import burst
from tests.support.ports import free_port

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)

DONE = "document.querySelector('.command-state')?.innerText === 'done'"


@pytest.fixture
def page() -> Iterator[Page]:
    browser = Chromium()
    page = browser.page()
    yield page
    complaints, strangers = browser.leave()
    browser.close()
    assert (complaints, strangers) == ([], [])


@pytest.mark.slow
def test_a_scale_up_and_a_rollout_are_ordered_and_seen_there(project: ComposeProject, page: Page) -> None:
    page.visit(starts_with_dashboard(project, "--balance", "echo=2"))
    assert page.comes_to(ready("2/2"))
    page.value("document.querySelector('[aria-label=\"one more of echo\"]').click()")
    page.value("document.querySelector('.stepper').requestSubmit()")
    assert page.comes_to(ready("3/3"))
    assert page.comes_to(DONE)
    assert "echo: adding 1" in page.text("#commands")
    assert page.texts(".backends tbody .name")[2] == f"{project.name}-echo-3"
    burst(project.port, 30, 3)
    assert page.comes_to("document.querySelector('.responses').innerText.includes('2xx 30 (100%)')")

    old = ids(project)
    page.value("document.getElementById('commands-clear').click()")
    page.value(
        "[...document.querySelectorAll('.steering > button')].find((one) => one.innerText === 'Roll out').click()"
    )
    page.value("document.getElementById('confirm-yes').click()")
    assert page.comes_to(DONE, within=120)
    assert not set(old) & set(ids(project))
    assert page.comes_to(ready("3/3"))


def test_it_goes_over_with_the_listeners(project: ComposeProject, page: Page) -> None:
    port = free_port()
    words = ("--balance", "echo=1")
    page.visit(starts_with_dashboard(project, *words, port=port))
    assert page.comes_to(ready("1/1"))
    url = starts_with_dashboard(project, *words, "--handover", port=port)
    assert url.startswith(page.origin)
    assert page.comes_to("document.getElementById('control-hint').innerText.includes('an earlier composectl')")
    assert page.comes_to("document.getElementById('state-word').innerText === 'live'")
    page.forgive("net::ERR_")


def starts_with_dashboard(project: ComposeProject, *words: str, port: int = 0) -> str:
    """`up` in the background; the URL that it prints, with the token."""
    done = project.composectl("up", *words, "--dashboard", f"127.0.0.1:{port}", "--dashboard-control", "-d")
    assert done.returncode == 0, done.stderr
    match = re.search(r"^dashboard: (\S+)$", done.stderr, re.MULTILINE)
    assert match, done.stderr
    return match[1]


def ready(words: str) -> str:
    return f"document.querySelector('.ready')?.innerText === '{words} ready'"
