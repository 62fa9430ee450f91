"""The dashboard as people meet it: in a real browser, on real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium
from tests.static.place import Place


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture
def chromium(browser: Chromium) -> Iterator[Chromium]:
    """The browser; its pages are closed at the end, and none may have complained, or asked anyone but the dashboard."""
    yield browser
    complaints, strangers = browser.leave()
    assert complaints == []
    assert strangers == []


@pytest.fixture
def place() -> Iterator[Place]:
    """Whatever was started there must have ended, and left nothing."""
    place = Place()
    yield place
    assert place.close() == []
