"""The certificates of a service, and what is told of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from composectl.certificates.authority import Authority
from composectl.daemon.tls import ServiceTls
from composectl.daemon.tls_plan import TlsPlan

NAMES = ["localhost"]
DAY = timedelta(days=1)


class Stage:
    """A service whose certificate of the local authority is due at midnight; `now` is before that, days ago."""

    def __init__(self, folder: Path) -> None:
        self.now = (datetime.now(UTC) - 3 * DAY).replace(hour=23, minute=59, second=0, microsecond=0)
        self._folder = folder
        self._authority = Authority(folder)
        path = self._authority.issue(NAMES, self.now - 60 * DAY)
        self.tls = ServiceTls(TlsPlan(((path, path),)), self._renew, now=lambda: self.now)

    @property
    def expires(self) -> datetime:
        (served,) = self.tls.contexts.certified
        return served.expires

    def sweep_at(self, now: datetime) -> None:
        self.now = now
        self.tls.sweep()

    def _renew(self) -> None:
        self._authority.issue(NAMES, self.now)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_what_is_due_is_renewed_on_the_next_day_and_served(stage: Stage) -> None:
    before = stage.expires
    stage.sweep_at(stage.now + timedelta(seconds=30))
    assert stage.expires == before
    stage.sweep_at(stage.now + DAY)
    assert stage.expires == before + 61 * DAY + timedelta(seconds=30)
    assert list(stage.tls.notices()) == []


def test_a_renewal_that_fails_is_told_of_until_one_succeeds(stage: Stage, tmp_path: Path) -> None:
    before = stage.expires
    root = (tmp_path / "authority.pem").read_bytes()
    (tmp_path / "authority.pem").write_bytes(b"nonsense")
    stage.sweep_at(stage.now + DAY)
    (told,) = stage.tls.notices()
    assert told.endswith(": the certificate of before goes on being served")
    assert stage.expires == before
    (tmp_path / "authority.pem").write_bytes(root)
    stage.sweep_at(stage.now + DAY)
    assert list(stage.tls.notices()) == []
    assert stage.expires > before


def test_an_end_that_is_near_is_told_of(stage: Stage) -> None:
    stage.now = stage.expires - timedelta(days=6)
    assert list(stage.tls.notices()) == [f"the certificate for localhost expires on {stage.expires:%Y-%m-%d}"]
    stage.now = stage.expires + DAY
    assert list(stage.tls.notices()) == [
        f"the certificate for localhost expired on {stage.expires:%Y-%m-%d}: clients refuse it"
    ]
