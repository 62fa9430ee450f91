"""Where the sockets of running composectls are: a folder of this user alone."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from composectl import errors

RUNTIME = "XDG_RUNTIME_DIR"

_PRIVATE = 0o700
_NAME_LENGTH = 32  # a socket's path has 107 bytes at most (unix(7))


def runtime_folder(environ: Mapping[str, str]) -> Path:
    """Where the folder is, or will be."""
    candidates = [environ.get(RUNTIME, ""), f"/run/user/{os.getuid()}"]
    parent = next((Path(one) for one in candidates if one and Path(one).is_dir()), None)
    return Path(tempfile.gettempdir()) / f"composectl-{os.getuid()}" if parent is None else parent / "composectl"


def make_private(folder: Path, variable: str = RUNTIME) -> None:
    """Make it with mode 0700 if it is missing. Raises ComposectlError where somebody else could write.

    `variable` says where it is to be.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=_PRIVATE)
    check_private(folder, variable)


def check_private(folder: Path, variable: str = RUNTIME) -> None:
    """Raise ComposectlError where somebody else could write."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise errors.unsafe_folder(str(folder), variable)


def stem_of(project: str, engine: str) -> str:
    """The name, without an ending, of the files of one project on one engine."""
    digest = hashlib.sha256(f"{engine}\0{project}".encode()).hexdigest()[:12]
    return f"{name_in_files(project)}-{digest}"


def name_in_files(project: str) -> str:
    """What the names of a project's files begin with."""
    return project[:_NAME_LENGTH]


def sockets(folder: Path) -> list[Path]:
    """The control sockets that are there, live or stale. Raises ComposectlError where somebody else could write."""
    try:
        check_private(folder)
    except FileNotFoundError:
        return []
    return sorted(folder.glob("*.sock"))
