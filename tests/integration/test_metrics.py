"""`--metrics` on the command line, and which clients are answered there."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from composectl.control.client import running_daemons
from tests.support.cli_error import cli_error_in
from tests.support.http_client import ask
from tests.support.proxy_process import Workspace

HOST = "127.0.0.1"
GOOD = ("--listen", "127.0.0.1:0", "--backend", "127.0.0.1:9001")


@pytest.mark.parametrize("text", ["", "http", "9464:80", "127.0.0.1", "::1:9464", "65536", "-1"])
def test_a_place_that_is_none(place: Workspace, text: str) -> None:
    error = cli_error_in(place.composectl("proxy", *GOOD, "--metrics", text))
    assert (error.exit_code, error.message) == (2, f"invalid value `{text}` for `--metrics`: expected [HOST:]PORT")
    assert "`--metrics 9464`" in error.hint
    assert place.leftovers() == []


def test_a_port_that_is_held_and_its_owner(place: Workspace) -> None:
    backend = place.backend()
    error = cli_error_in(place.composectl("proxy", *GOOD, "--metrics", str(backend.port)))
    assert error.exit_code == 1
    assert error.message.startswith(
        f"cannot serve metrics: cannot listen on {backend.address}: address already in use by "
    )
    assert "`--metrics [HOST:]PORT`" in error.hint

    proxy = place.proxy(backend, words=("--metrics", "0"))
    port = scraped_at(place)
    error = cli_error_in(place.composectl("proxy", *GOOD, "--metrics", str(port)))
    holder = f"composectl of proxy `{proxy.name}`"
    assert error.message == f"cannot serve metrics: cannot listen on {HOST}:{port}: address already in use by {holder}"
    proxy.ends_by(signal.SIGINT)


def test_a_host_that_is_not_of_this_machine(place: Workspace) -> None:
    error = cli_error_in(place.composectl("proxy", *GOOD, "--metrics", "192.0.2.1:9464"))
    assert error.message == "cannot serve metrics: cannot listen on 192.0.2.1:9464: address not available"
    assert place.leftovers() == []


def test_it_is_answered_at_loopback_alone_to_its_own_names_alone(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--metrics", "0"))
    port = scraped_at(place)
    assert ask(port, "/metrics", host=HOST, Host=f"localhost:{port}").status == 200
    assert ask(port, "/metrics", host=HOST, Host="evil.example").status == 421
    assert ask(port, "/v1/status", host=HOST).status == 404
    code, _, complaints = proxy.ends_by(signal.SIGINT)
    assert (code, complaints) == (130, f"metrics: http://{HOST}:{port}/metrics\n")


def test_a_name_that_was_asked_for_is_its_own(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--metrics", "localhost:0"))
    port = scraped_at(place)
    assert ask(port, "/metrics", host=HOST, Host=f"localhost:{port}").status == 200
    proxy.ends_by(signal.SIGINT)


def test_the_library_is_not_imported_before_the_first_scrape(place: Workspace) -> None:
    modules = "composectl.daemon.proxy, composectl.daemon.lifecycle"
    asked = f"import sys, {modules}; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=place.folder, check=False).returncode == 0


def scraped_at(place: Workspace) -> int:
    """The port of the only composectl's metrics."""
    (daemon,) = running_daemons(place.runtime / "composectl")
    return int(daemon.info.metrics.removesuffix("/metrics").rpartition(":")[2])
