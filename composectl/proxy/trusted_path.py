"""Paths through folders such as /tmp: what another user has put there is not followed."""

from __future__ import annotations

import errno
import os
import re
import stat

_MAX_LINKS = 40
_DESCRIPTORS = re.compile(r"/proc/\d+/(task/\d+/)?fd/\d+")


def resolve(path: str) -> str:
    """The absolute `path` without links in it; its last part may be missing. Raises OSError.

    A folder, a link or a file that lies in a sticky folder which others can write to must belong to this user, to root
    or to the owner of that folder, and a file must have no other name. What passes cannot be replaced by another user.
    Linux checks part of this itself, where sysctl fs.protected_* tells it to.
    """
    folder, links = "/", 0
    parts = os.path.join(os.getcwd(), path).split("/")[::-1]
    while parts:
        name = parts.pop()
        if name in ("", "."):
            continue
        if name == "..":
            folder = os.path.dirname(folder)
            continue
        here = os.path.join(folder, name)
        try:
            entry = os.lstat(here)
        except FileNotFoundError:
            if any(parts):
                raise
            return here
        _check_owner(here, entry, os.stat(folder))
        if not stat.S_ISLNK(entry.st_mode):
            folder = here
            continue
        if is_descriptor(here):
            return here
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(here)
        folder = "/" if target.startswith("/") else folder
        parts += target.split("/")[::-1]
    return folder


def is_descriptor(path: str) -> bool:
    """Whether it stands for an open file of a process, as /dev/stdout does (proc(5))."""
    return _DESCRIPTORS.fullmatch(path) is not None


# Private


def _check_owner(path: str, entry: os.stat_result, folder: os.stat_result) -> None:
    is_shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    is_linked = stat.S_ISREG(entry.st_mode) and entry.st_nlink > 1  # it has another name elsewhere
    if is_shared and (is_linked or entry.st_uid not in (0, os.geteuid(), folder.st_uid)):
        raise PermissionError(errno.EACCES, f"{path} may be another user's trap: others can write to its folder", path)
