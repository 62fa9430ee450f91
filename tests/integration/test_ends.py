"""The first signal drains, the second does not wait."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from http.client import HTTPException

import pytest

from tests.support.http_client import Answer, ask
from tests.support.proxy_process import ProxyProcess, Workspace
from tests.support.threaded_backend import PATIENCE, ThreadedBackend
from tests.support.wait import wait_until

HOST = "127.0.0.1"


class Held:
    """A request that its backend holds until it is told to let go."""

    def __init__(self, proxy: ProxyProcess, backend: ThreadedBackend) -> None:
        self.answer: Answer | None = None
        self._thread = threading.Thread(target=self._ask, args=(proxy.port,))
        self._thread.start()
        assert backend.asked.wait(PATIENCE)

    def ended(self) -> Answer | None:
        """The answer, or None where there was none."""
        self._thread.join(PATIENCE)
        return self.answer

    def _ask(self, port: int) -> None:
        with suppress(OSError, HTTPException):
            self.answer = ask(port, "/held", host=HOST)


@pytest.mark.parametrize(("end", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_f10_f11_what_is_in_flight_is_finished(place: Workspace, end: signal.Signals, exit_code: int) -> None:
    backend = place.backend()
    proxy = place.proxy(backend)
    assert place.comes_to("ready")
    held = Held(proxy, backend)
    proxy.process.send_signal(end)
    assert wait_until(lambda: refuses(proxy))
    assert place.comes_to("draining")
    backend.release.set()
    answer = held.ended()
    assert answer is not None
    assert (answer.status, answer.text) == (200, backend.address)
    assert proxy.ends_by()[0] == exit_code
    assert place.leftovers() == []


def test_f10_the_second_signal_forces(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend)
    assert place.comes_to("ready")
    held = Held(proxy, backend)
    proxy.process.send_signal(signal.SIGINT)
    assert place.comes_to("draining")
    exit_code, said, complained = proxy.ends_by(signal.SIGINT)
    assert exit_code == 130
    assert held.ended() is None
    assert "Traceback" not in said + complained


def test_a_request_without_time_to_finish_is_cut(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=("--drain-timeout", "0"))
    assert place.comes_to("ready")
    held = Held(proxy, backend)
    assert proxy.ends_by(signal.SIGTERM)[0] == 143
    assert held.ended() is None


def test_each_change_is_a_line(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend)
    assert place.comes_to("ready")
    assert proxy.summary == f"proxy-{proxy.port}: 1 backend behind {HOST}:{proxy.port}\n"
    _, said, complained = proxy.ends_by(signal.SIGTERM)
    first, second, third = (line.split(" ", 1)[1] for line in said.splitlines())
    assert first == f"{backend.address} starting -> ready: its port accepts"
    assert second.startswith(f"{backend.address} ready -> draining: ")
    assert third.startswith(f"{backend.address} draining -> drained: ")
    assert complained == ""


def refuses(proxy: ProxyProcess) -> bool:
    try:
        return ask(proxy.port, host=HOST) is None
    except ConnectionRefusedError:
        return True
    except (OSError, HTTPException):
        return False
