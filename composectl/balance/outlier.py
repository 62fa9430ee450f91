"""The standing of a backend: what connections and checks have told of it, and how long it is left alone."""

from __future__ import annotations

_REFUSALS = 2
_FAILED_CHECKS = 3
_FIRST_BACK_OFF = 5.0
_LONGEST_BACK_OFF = 60.0
_WELL = 60.0


class Standing:
    """Counts the failures in a row; all times in seconds, `now` by the pool's clock."""

    __slots__ = ("_back_off", "_failed_checks", "_left_alone", "_refusals")

    def __init__(self) -> None:
        self._refusals = 0
        self._failed_checks = 0
        self._back_off = 0.0
        self._left_alone: float | None = None  # since when

    def refused(self) -> bool:
        """A connection for a request was not made; whether that is enough of it."""
        self._refusals += 1
        return self._refusals >= _REFUSALS

    def reached(self) -> None:
        """A connection for a request was made."""
        self._refusals = 0

    def failed_check(self) -> bool:
        """A check of the ready backend has failed; whether that is enough of it."""
        self._failed_checks += 1
        return self._failed_checks >= _FAILED_CHECKS

    def passed_check(self) -> None:
        """A check was passed."""
        self._refusals = self._failed_checks = 0

    def came_up(self) -> None:
        """It is ready: nothing counts that was before, but for the length of the next back-off."""
        self.passed_check()
        self._left_alone = None

    def leave_alone(self, now: float, well_for: float) -> None:
        """Begin a back-off of 5 s; of twice the last one, 60 s at most, where it was `well_for` less than a minute."""
        again = self._back_off and well_for < _WELL
        self._back_off = min(2 * self._back_off, _LONGEST_BACK_OFF) if again else _FIRST_BACK_OFF
        self._left_alone = now

    def still_fails(self, now: float) -> None:
        """A probe has failed: a back-off that is over begins again, twice as long."""
        if self._left_alone is not None and not self.is_left_alone(now):
            self.leave_alone(now, well_for=0.0)

    def is_left_alone(self, now: float) -> bool:
        """Whether it is not to be asked yet; a clock that was set back ends it, too."""
        return self._left_alone is not None and 0 <= now - self._left_alone < self._back_off
