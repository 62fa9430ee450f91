"""What every tree of tests shares."""

from collections.abc import Iterator

import pytest

from tests.support.proxy_process import Place


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder; each process that was started there must have ended, and left nothing."""
    place = Place()
    yield place
    assert place.close() == []
