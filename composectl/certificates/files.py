"""Certificates in files, which are read anew when the files change."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from composectl import errors
from composectl.certificates.certified_key import CertifiedKey, read_certified_key

FilePair = tuple[Path, Path]
"""The file of a certificate, and the one of its key; they may be the same."""


class CertificateFiles:
    """`error` tells why the files as they are now are not used; "" where they are. `at_any_time`: see the reader."""

    def __init__(self, pairs: Sequence[FilePair], *, at_any_time: bool = False) -> None:
        self._pairs = tuple(pairs)
        self._at_any_time = at_any_time
        self._stamp: tuple[object, ...] = ()
        self.error = ""

    def load(self) -> list[CertifiedKey]:
        """Raises UsageError."""
        self._stamp = self._look()
        return [read_certified_key(certificate, key, at_any_time=self._at_any_time) for certificate, key in self._pairs]

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
        """Another value whenever a file is replaced, written to, or given other permissions (stat(2))."""
        return tuple(_stamp(path) for pair in self._pairs for path in pair)


def replace_file(path: Path, data: bytes) -> None:
    """Whole or not at all, with mode 0600."""
    os.replace(_written(path, data), path)


def make_once(path: Path, data: bytes) -> None:
    """The same, unless another process was faster: then what it made stays."""
    fresh = _written(path, data)
    try:
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        os.unlink(fresh)


# Private


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns


def _written(path: Path, data: bytes) -> str:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        os.unlink(name)
        raise
    return name
