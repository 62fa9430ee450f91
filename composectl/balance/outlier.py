"""Outlier detection: a backend that refuses connections is ejected until a check passes, one that fails checks, too."""

from __future__ import annotations

_MAX_REFUSED = 2
_MAX_FAILED_CHECKS = 3
_BASE_EJECTION_TIME = 1.0
_MAX_EJECTION_TIME = 60.0
_FORGIVEN_AFTER = 5.0


class OutlierDetector:
    """Counts the failures in a row of one backend; times are in seconds by the pool's clock.

    `accepted`: how often it has shown that it accepts. A connection that was begun before the last time and fails is no
    news: where many come at once, those that find no room in the backlog of a well backend all time out together.
    """

    __slots__ = ("_ejected_at", "_ejection_time", "_failed_checks", "_refused", "accepted")

    def __init__(self) -> None:
        self.accepted = 0
        self._refused = 0
        self._failed_checks = 0
        self._ejection_time = -1.0  # of the last ejection, if there was one
        self._ejected_at: float | None = None

    def connection_refused(self) -> bool:
        """Count a refused connection; True where the backend is to be ejected."""
        self._refused += 1
        return self._refused >= _MAX_REFUSED

    def connected(self) -> None:
        self.accepted += 1
        self._refused = 0

    def check_failed(self) -> bool:
        """Count a failed check of a ready backend; True where it is to be taken out."""
        self._failed_checks += 1
        return self._failed_checks >= _MAX_FAILED_CHECKS

    def check_passed(self) -> None:
        self.connected()
        self._failed_checks = 0

    def recovered(self) -> None:
        """The backend is ready: only the length of its last ejection still counts."""
        self.check_passed()
        self._ejected_at = None

    def eject(self, now: float, ready_for: float) -> None:
        """Eject until the first check that passes.

        Where the last ejection ended less than 5 s ago, checks begin after 1 s, and then after twice the last time, up
        to 60 s: it accepts checks and refuses requests.
        """
        again = self._ejection_time >= 0 and ready_for < _FORGIVEN_AFTER
        self._ejection_time = min(max(2 * self._ejection_time, _BASE_EJECTION_TIME), _MAX_EJECTION_TIME) if again else 0
        self._ejected_at = now

    @property
    def is_ejected(self) -> bool:
        """Whether it is out because it refused connections."""
        return self._ejected_at is not None

    def may_be_checked(self, now: float) -> bool:
        """Whether its ejection time, if any, is over; a clock that was set back ends it."""
        return self._ejected_at is None or not 0 <= now - self._ejected_at < self._ejection_time
