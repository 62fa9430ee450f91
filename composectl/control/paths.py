"""Where the sockets of running composectls are: a folder of this user alone."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from composectl import errors

RUNTIME = "XDG_RUNTIME_DIR"
_PRIVATE = 0o700
_NAME_LENGTH = 32  # a socket's path has 107 bytes at most (unix(7))
_VARIABLE = "XDG_STATE_HOME"
_KEPT_SECONDS = 30 * 24 * 3600
_ANY_DIGEST = "?" * 12
_ENDING = ".log"


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


def state_folder() -> Path:
    """Where the folder of logs is, or will be (XDG Base Directory Specification). Raises `no_state_folder`."""
    import platformdirs  # takes 10 ms, which only those pay who keep or show a log

    try:
        return platformdirs.user_state_path("composectl")
    except RuntimeError as error:
        raise errors.no_state_folder("~/.local/state/composectl", "you have no home directory", _VARIABLE) from error


def make_state_folder(folder: Path) -> None:
    """Make it with mode 0700 if it is missing, and forget old logs. Raises ComposectlError where that cannot be."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private(folder, _VARIABLE)
        _forget_old(folder)
    except OSError as error:
        raise errors.no_state_folder(str(folder), str(error.strerror), _VARIABLE) from error


def log_name(stem: str, directory: str) -> str:
    """The file name of a log: of the composectl whose other files are called `stem`, for the project in `directory`."""
    return f"{stem}-{_digest(directory)}{_ENDING}"


def stem_of_log(path: Path) -> str:
    """The inverse of `log_name`, without the directory."""
    return path.name.removesuffix(_ENDING).rpartition("-")[0]


def newest_log(folder: Path, project: str, directory: str) -> Path | None:
    """The log written last of those of `project`, or, where that is empty, of those for the project in `directory`."""
    pattern = f"{name_in_files(project)}-{_ANY_DIGEST}-{_ANY_DIGEST}" if project else f"*-{_digest(directory)}"
    with suppress(FileNotFoundError):
        check_private(folder, _VARIABLE)
    return max(folder.glob(pattern + _ENDING), key=lambda path: path.stat().st_mtime, default=None)


def before(path: Path) -> Path:
    """Where the older part of a log is, if there is one."""
    return path.with_name(path.name + ".1")


# Private


def _digest(directory: str) -> str:
    return hashlib.sha256(directory.encode()).hexdigest()[:12]


def _forget_old(folder: Path) -> None:
    for path in folder.glob(f"*{_ENDING}*"):
        if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
            path.unlink(missing_ok=True)
