"""Folders for processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """One with a short name: the path of a socket in it cannot be long, whatever the runner of the tests is called."""
    with TemporaryDirectory(prefix="composectl-") as folder:
        yield Path(folder)
