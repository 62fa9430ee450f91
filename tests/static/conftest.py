"""Static mode on real sockets and real processes; no engine is needed."""

from collections.abc import Iterator

import pytest

from tests.static.place import Place


@pytest.fixture
def place() -> Iterator[Place]:
    """Whatever was started there must have ended, and left nothing."""
    place = Place()
    yield place
    assert place.close() == []
