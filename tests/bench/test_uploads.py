"""Large uploads on real proxies: each is answered once it is whole, and all that was sent is counted."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from bench.uploads import taking_uploads, upload
from tests.bench.conftest import started

SIZE = 3 * 2**20 + 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nginx", "composectl", "haproxy"])
def test_uploads_are_answered(name: str, prepared: None, tmp_path: Path) -> None:
    with taking_uploads(2, tmp_path) as servers, started(name, servers, tmp_path) as target:
        outcome = upload(target.port, SIZE, 4, 1)
    assert outcome.failed == 0
    assert outcome.requests * SIZE <= outcome.received <= (outcome.requests + 4) * SIZE
    assert outcome.requests


def test_a_connection_that_ends_has_failed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            for _ in range(3):
                listener.accept()[0].close()

        hanging = threading.Thread(target=hang_up)
        hanging.start()
        outcome = upload(listener.getsockname()[1], SIZE, 3, 1)
        hanging.join()
    assert (outcome.requests, outcome.failed) == (0, 3)
