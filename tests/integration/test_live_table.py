"""The live table of a proxy, driven in a real terminal."""

from __future__ import annotations

import re

from tests.support.command_line import command_line
from tests.support.http_client import ask
from tests.support.proxy_process import Workspace
from tests.support.terminal import CTRL_C, Terminal


def test_rows_and_counts_appear_and_ctrl_c_ends_it(place: Workspace) -> None:
    first, other = place.backend(), place.backend()
    backends = ("--backend", first.address, "--backend", other.address)
    command = command_line("proxy", "--listen", "127.0.0.1:0", *backends)
    with Terminal(command, place.folder, place.environment()) as terminal:
        assert terminal.shows(lambda text: requests(text, other.address) == 0), terminal.screen.text
        assert "2/2 ready" in terminal.screen.text

        port = int(place.status()["listeners"][0].rpartition(":")[2])
        for _ in range(6):
            ask(port, host="127.0.0.1")
        assert terminal.shows(lambda text: [requests(text, first.address), requests(text, other.address)] == [3, 3])

        terminal.type(CTRL_C)
        assert terminal.end() == 130
    assert "Traceback" not in terminal.written
    assert "drained" in terminal.screen.text


def test_an_access_log_on_this_terminal_replaces_the_table(place: Workspace) -> None:
    backend = place.backend()
    command = command_line("proxy", "--listen", "127.0.0.1:0", "--backend", backend.address, "--access-log", "-")
    with Terminal(command, place.folder, place.environment()) as terminal:
        assert terminal.shows(lambda text: f"{backend.address} starting -> ready" in text)
        port = int(place.status()["listeners"][0].rpartition(":")[2])
        ask(port, "/a", host="127.0.0.1")
        assert terminal.shows(lambda text: '"GET /a HTTP/1.1" 200 ' in text)
        terminal.type(CTRL_C)
        assert terminal.end() == 130
    assert f"{backend.address} draining -> drained" in terminal.screen.text
    assert "ready  " not in terminal.screen.text
    assert "Traceback" not in terminal.written


def row(address: str) -> re.Pattern[str]:
    """The line about a backend: its number, address and phase, requests in flight, requests."""
    return re.compile(rf"^[> ]?\d +{re.escape(address)} +ready +\d+ +(\d+) ", re.MULTILINE)


def requests(text: str, address: str) -> int:
    found = row(address).search(text)
    return int(found[1]) if found else -1
