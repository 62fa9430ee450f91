"""When a certificate is asked for: at once where there is none, else at two thirds of the life of the one there is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from composectl import errors
from composectl.certificates.authority import AUTHORITY
from composectl.certificates.certified_key import CertifiedKey, read_certified_key

_LOOK_INTERVAL = 60.0
_FIRST_RETRY, _LAST_RETRY = 60.0, 6 * 3600.0  # the public authorities count failures by the hour


class AcmeRenewal:
    """`order` gets a certificate into the file at `path`, and raises ComposectlError; `error` is why it did not.

    One of our own authority stands in its place until there is one.
    """

    def __init__(
        self,
        path: Path,
        order: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        first_retry: float = _FIRST_RETRY,
    ) -> None:
        self.path = path
        self.error = ""
        self._order = order
        self._clock = clock
        self._first_retry = self._retry = first_retry
        self._next_look = 0.0
        self._thread: threading.Thread | None = None

    @property
    def certificate(self) -> CertifiedKey | None:
        """The one that is there, if a server can use it, and if it is no stand-in."""
        try:
            found = read_certified_key(self.path, self.path, at_any_time=True)
        except errors.ComposectlError:
            return None
        return None if found.issuer == AUTHORITY else found

    def sweep(self) -> None:
        """To be called once a second."""
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None
            self._next_look = self._clock() + (self._retry if self.error else _LOOK_INTERVAL)
            self._retry = min(2 * self._retry, _LAST_RETRY) if self.error else self._first_retry
        if self._thread is None and self._clock() >= self._next_look:
            self._next_look = self._clock() + _LOOK_INTERVAL
            if self._is_due():
                # Such a thread does not keep the process from ending.
                self._thread = threading.Thread(target=self._run, daemon=True, name="acme")
                self._thread.start()

    # Private

    def _is_due(self) -> bool:
        found = self.certificate
        if found is None:
            return True
        left = found.expires - datetime.now(UTC)
        return left < (found.expires - found.begins) / 3

    def _run(self) -> None:
        try:
            self._order()
        except errors.ComposectlError as error:
            self.error = error.message
        except Exception as error:  # a fault of ours: it must not end the renewal
            self.error = f"no certificate was asked for: {type(error).__name__}"
        else:
            self.error = ""
