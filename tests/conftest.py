"""What every tree of tests shares."""

from collections.abc import Iterator

import pytest

from tests.support.proxy_process import Workspace


@pytest.fixture
def place() -> Iterator[Workspace]:
    """A folder; each process that was started there must have ended, and left nothing."""
    place = Workspace()
    yield place
    assert place.close() == []
