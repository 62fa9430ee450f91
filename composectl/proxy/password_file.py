"""A file of users and their passwords, as `htpasswd -B` writes it: the only home of bcrypt."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from composectl.proxy.trusted_path import resolve

_ENTRY = re.compile(rb"([^:\x00-\x1f\x7f]{1,255}):(\$2[aby]\$([0-9]{2})\$[./0-9A-Za-z]{53})")
_MAX_COST = 14  # one check takes a second
_MIN_COST = 4
_MAX_SIZE = 1024 * 1024
_LONGEST_PASSWORD = 72  # bytes: bcrypt ignores the rest
_FOR_OTHERS = stat.S_IWGRP | stat.S_IWOTH

Stamp = tuple[int, int, int]


class BadPasswordFile(Exception):
    """What is wrong with the file, in words that follow its name, and what helps."""

    def __init__(self, fault: str, hint: str) -> None:
        super().__init__(fault)
        self.fault = fault
        self.hint = hint


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """The hashes by user; `stamp` is another one once the file has changed."""

    path: str
    stamp: Stamp
    hashes: Mapping[bytes, bytes]


def read_password_file(path: str) -> PasswordFile:
    """The users in this file. Raises BadPasswordFile."""
    try:
        descriptor = os.open(resolve(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            _check(path, found)
            content = file.read(_MAX_SIZE + 1)
    except OSError as error:
        raise BadPasswordFile(f"cannot be read: {error.strerror or error}", "name a file that is readable") from None
    return PasswordFile(path, _stamp(found), _parse(path, content))


def stamp_of(path: str) -> Stamp | None:
    """The stamp of the file as it is now; None where it is not there."""
    try:
        return _stamp(os.stat(path))
    except OSError:
        return None


def is_password(password: bytes, hashed: bytes) -> bool:
    """Whether the hash is that of this password; takes as long as the hash says."""
    import bcrypt

    try:
        return bool(bcrypt.checkpw(password[:_LONGEST_PASSWORD], hashed))
    except ValueError:  # a password with a NUL
        return False


# Private


def _check(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BadPasswordFile("is not a regular file", "name a file, which is read again when it changes")
    if found.st_mode & _FOR_OTHERS:
        raise BadPasswordFile(f"can be changed by others (mode {found.st_mode & 0o777:04o})", f"`chmod go-w {path}`")
    if found.st_size > _MAX_SIZE:
        raise BadPasswordFile("has more than 1 MiB", "name a file that `htpasswd -B` has written")


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_mtime_ns, found.st_ino, found.st_size


def _parse(path: str, content: bytes) -> Mapping[bytes, bytes]:
    hashes: dict[bytes, bytes] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        entry = _ENTRY.fullmatch(line.rstrip(b" \t"))
        if entry is None:
            raise BadPasswordFile(
                f"has no USER:HASH by bcrypt in line {number}", f"`htpasswd -B {path} USER` writes it"
            )
        user, hashed, cost = entry.groups()
        if not _MIN_COST <= int(cost) <= _MAX_COST:
            raise BadPasswordFile(
                f"has a cost of {int(cost)} in line {number}: expected {_MIN_COST} to {_MAX_COST}",
                f"`htpasswd -B -C 12 {path} USER` writes it anew",
            )
        if user in hashes:
            raise BadPasswordFile(f"has a user twice, the second time in line {number}", "remove one of the two lines")
        hashes[user] = hashed
    if not hashes:
        raise BadPasswordFile("has no user", f"`htpasswd -B {path} USER` adds one")
    return hashes
