"""Certificates in files, which are read anew when the files change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from composectl import errors
from composectl.certificates.certified_key import CertifiedKey, read_certified_key

FilePair = tuple[Path, Path]
"""The file of a certificate, and the one of its key; they may be the same."""


class CertificateFiles:
    """`error` tells why the files as they are now are not used; "" where they are."""

    def __init__(self, pairs: Sequence[FilePair]) -> None:
        self._pairs = tuple(pairs)
        self._stamp: tuple[object, ...] = ()
        self.error = ""

    def load(self) -> list[CertifiedKey]:
        """Raises UsageError."""
        self._stamp = self._look()
        return [read_certified_key(certificate, key) for certificate, key in self._pairs]

    def changed(self) -> list[CertifiedKey] | None:
        """What the files hold, if they have changed since the last look and a server can use them."""
        if self._look() == self._stamp:
            return None
        try:
            loaded = self.load()
        except errors.ComposectlError as error:
            self.error = error.message
            return None
        self.error = ""
        return loaded

    # Private

    def _look(self) -> tuple[object, ...]:
        """Another value whenever a file is replaced or written to (stat(2))."""
        return tuple(_stamp(path) for pair in self._pairs for path in pair)


# Private


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
