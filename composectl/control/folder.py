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

_PRIVATE = 0o700
_NAME_LENGTH = 32  # a socket's path has 107 bytes at most (unix(7))


def runtime_folder(environ: Mapping[str, str]) -> Path:
    """The folder, made with mode 0700 if it is missing. Raises ComposectlError where somebody else could write."""
    parent = _parent(environ)
    folder = parent / "composectl" if parent is not None else Path(tempfile.gettempdir()) / f"composectl-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=_PRIVATE)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise errors.unsafe_folder(str(folder))
    return folder


def stem_of(project: str, engine: str) -> str:
    """The name, without an ending, of the files of one project on one engine."""
    digest = hashlib.sha256(f"{engine}\0{project}".encode()).hexdigest()[:12]
    return f"{project[:_NAME_LENGTH]}-{digest}"


def sockets(folder: Path) -> list[Path]:
    """The control sockets that are there, live or stale."""
    return sorted(folder.glob("*.sock"))


# Private


def _parent(environ: Mapping[str, str]) -> Path | None:
    candidates = [environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.getuid()}"]
    return next((Path(one) for one in candidates if one and Path(one).is_dir()), None)
