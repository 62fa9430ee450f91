"""Outlier detection: a backend that refuses connections or fails checks is ejected for a while."""

from __future__ import annotations

_MAX_REFUSED = 2
_MAX_FAILED_CHECKS = 3
_BASE_EJECTION_TIME = 5.0
_MAX_EJECTION_TIME = 60.0
_FORGIVEN_AFTER = 60.0


class OutlierDetector:
    """Counts the failures in a row of one backend; times are in seconds by the pool's clock."""

    __slots__ = ("_ejected_at", "_ejection_time", "_failed_checks", "_refused")

    def __init__(self) -> None:
        self._refused = 0
        self._failed_checks = 0
        self._ejection_time = 0.0
        self._ejected_at: float | None = None

    def connection_refused(self) -> bool:
        """Count a refused connection; True where the backend is to be ejected."""
        self._refused += 1
        return self._refused >= _MAX_REFUSED

    def connected(self) -> None:
        self._refused = 0

    def check_failed(self) -> bool:
        """Count a failed check of a ready backend; True where it is to be taken out."""
        self._failed_checks += 1
        return self._failed_checks >= _MAX_FAILED_CHECKS

    def check_passed(self) -> None:
        self._refused = self._failed_checks = 0

    def recovered(self) -> None:
        """The backend is ready: only the length of its last ejection still counts."""
        self.check_passed()
        self._ejected_at = None

    def eject(self, now: float, ready_for: float) -> None:
        """Eject for 5 s, or for twice the last time, up to 60 s, where it was ready for less than a minute."""
        again = self._ejection_time and ready_for < _FORGIVEN_AFTER
        self._ejection_time = min(2 * self._ejection_time, _MAX_EJECTION_TIME) if again else _BASE_EJECTION_TIME
        self._ejected_at = now

    def extend_ejection(self, now: float) -> None:
        """A check failed after an ejection: begin another one, twice as long."""
        if self._ejected_at is not None and not self.is_ejected(now):
            self.eject(now, ready_for=0.0)

    def is_ejected(self, now: float) -> bool:
        """Whether the ejection lasts; a clock that was set back ends it."""
        return self._ejected_at is not None and 0 <= now - self._ejected_at < self._ejection_time
