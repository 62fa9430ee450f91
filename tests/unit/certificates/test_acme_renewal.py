"""When a certificate is asked for, and when again after it did not come."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from composectl.certificates.acme_renewal import AcmeRenewal
from composectl.certificates.authority import Authority
from composectl.certificates.files import replace_file
from composectl.errors import ComposectlError
from tests.support.tls_peers import TlsAuthority


class Place:
    """A renewal whose time passes as the test says; `orders` counts, `faults` are raised by the next ones."""

    def __init__(self, folder: Path) -> None:
        self.authority = TlsAuthority(folder)
        self.now = 1000.0
        self.orders = 0
        self._ordering: list[threading.Thread] = []
        self.faults: list[Exception] = []
        self.days, self.since = 90.0, 0.1
        self.path = folder / "acme.pem"
        self.renewal = AcmeRenewal(self.path, self._order, lambda: self.now)

    def issue(self, *, days: float = 90, since: float = 0.1) -> None:
        certificate, key = self.authority.issue("shop", "shop.test", days=days, since=since)
        replace_file(self.path, key.read_bytes() + certificate.read_bytes())

    def seconds_pass(self, seconds: int) -> None:
        """An order that is begun ends before the next second."""
        for _ in range(seconds):
            self.now += 1
            self.renewal.sweep()
            for thread in [*threading.enumerate(), *self._ordering]:
                if thread.name == "acme":
                    thread.join()

    # Private

    def _order(self) -> None:
        self._ordering = [threading.current_thread()]
        self.orders += 1
        if self.faults:
            raise self.faults.pop(0)
        self.issue()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_without_a_certificate_one_is_asked_for_at_once_and_no_second_one(place: Place) -> None:
    place.seconds_pass(1)
    assert place.orders == 1
    assert place.renewal.certificate is not None
    place.seconds_pass(300)
    assert place.orders == 1


def test_a_stand_in_is_none(place: Place, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    replace_file(place.path, Authority(tmp_path / "own").issue(["shop.test"]).read_bytes())
    assert place.renewal.certificate is None
    place.seconds_pass(1)
    assert place.orders == 1


@pytest.mark.parametrize(("days", "since", "orders"), [(31, 59, 0), (29, 61, 1), (-1, 91, 1), (3, 3, 0), (1.9, 4.1, 1)])
def test_it_is_renewed_at_two_thirds_of_its_life(place: Place, days: float, since: float, orders: int) -> None:
    place.issue(days=days, since=since)
    place.seconds_pass(1)
    assert place.orders == orders


def test_after_a_failure_it_waits_longer_each_time_and_tells_why(place: Place) -> None:
    place.faults = [ComposectlError(f"fault {number}") for number in range(3)]
    place.seconds_pass(1)
    assert (place.orders, place.renewal.error) == (1, "fault 0")
    for pause, orders in ((59, 1), (3, 2), (118, 2), (4, 3), (238, 3), (4, 4)):
        place.seconds_pass(pause)
        assert place.orders == orders
    assert place.renewal.error == ""
    assert place.renewal.certificate is not None


def test_a_fault_of_ours_does_not_end_the_renewal(place: Place) -> None:
    place.faults = [ZeroDivisionError()]
    place.seconds_pass(1)
    assert place.renewal.error == "no certificate was asked for: ZeroDivisionError"
    place.seconds_pass(70)
    assert (place.orders, place.renewal.error) == (2, "")
