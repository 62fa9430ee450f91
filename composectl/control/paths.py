"""The directories of this user alone in which control sockets, locks and logs are."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from composectl import errors

_RUNTIME, _STATE = "XDG_RUNTIME_DIR", "XDG_STATE_HOME"
_NAME_LENGTH = 32  # a socket's path has 107 bytes at most (unix(7))
_KEPT_SECONDS = 30 * 24 * 3600
_ENDING = ".log"


def runtime_dir(environ: Mapping[str, str]) -> Path:
    """The directory of control sockets, which may not be there yet.

    XDG_RUNTIME_DIR counts only where the XDG Base Directory Specification allows it: see `runtime_fault`.
    """
    for parent in (environ.get(_RUNTIME, ""), f"/run/user/{os.getuid()}"):
        if parent and not _fault(parent):
            return Path(parent) / "composectl"
    return Path(tempfile.gettempdir()) / f"composectl-{os.getuid()}"


def runtime_fault(environ: Mapping[str, str]) -> str:
    """Why XDG_RUNTIME_DIR is not used, as a sentence; "" where it is used or not set."""
    named = environ.get(_RUNTIME, "")
    fault = named and _fault(named)
    return f"{_RUNTIME} `{named}` is not used: {fault}" if fault else ""


def make_private(directory: Path, variable: str = _RUNTIME) -> None:
    """Make it with mode 0700 if it is missing. Raises ComposectlError where another user could write.

    `variable` is the environment variable that names it.
    """
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    check_private(directory, variable)


def check_private(directory: Path, variable: str = _RUNTIME) -> None:
    """Raise ComposectlError where another user could write."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise errors.ComposectlError(
            f"unsafe folder {directory!s}: other users can write to it",
            f"remove it, or set {variable} to a private folder",
        )


def file_stem(project: str, engine: str) -> str:
    """The name, without an ending, of the files of one project on one engine."""
    digest = _digest(f"{engine}\0{project}")
    return f"{_name_part(project)}-{digest}"


def control_sockets(directory: Path) -> list[Path]:
    """All control sockets, live or stale. Raises ComposectlError where another user could write."""
    with suppress(FileNotFoundError):
        check_private(directory)
    return sorted(directory.glob("*.sock"))


def state_dir() -> Path:
    """The directory of logs, which may not be there yet (XDG Base Directory). Raises `no_state_folder`."""
    import platformdirs  # takes 10 ms: only where a log is kept or shown

    try:
        return platformdirs.user_state_path("composectl")
    except RuntimeError as error:
        raise errors.no_state_folder("~/.local/state/composectl", "you have no home directory", _STATE) from error


def make_state_dir(directory: Path) -> None:
    """Make it with mode 0700 if it is missing, and remove old logs. Raises ComposectlError where that cannot be."""
    try:
        for parent in reversed([path for path in directory.parents if not path.exists()]):
            parent.mkdir(mode=0o700, exist_ok=True)
        make_private(directory, _STATE)
        for path in directory.glob(f"*{_ENDING}*"):
            if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise errors.no_state_folder(str(directory), str(error.strerror), _STATE) from error


def log_name(stem: str, project_directory: str) -> str:
    """The file name of the log of the composectl whose other files are called `stem`."""
    return f"{stem}-{_digest(project_directory)}{_ENDING}"


def file_stem_of_log(path: Path) -> str:
    """The inverse of `log_name`, without the directory."""
    return path.name.removesuffix(_ENDING).rpartition("-")[0]


def newest_log(directory: Path, project: str, project_directory: str) -> Path | None:
    """The newest log of `project`, or, where that is empty, of the project in `project_directory`."""
    digest = "?" * 12
    pattern = f"{_name_part(project)}-{digest}-{digest}" if project else f"*-{_digest(project_directory)}"
    with suppress(FileNotFoundError):
        check_private(directory, _STATE)
    return max(directory.glob(pattern + _ENDING), key=lambda path: path.stat().st_mtime, default=None)


def rotated_log(path: Path) -> Path:
    """The older part of a log, if there is one."""
    return path.with_name(path.name + ".1")


# Private


def _fault(parent: str) -> str:
    """Why the directory of control sockets must not be in `parent`; "" where it may."""
    if not os.path.isabs(parent):
        return "it is not an absolute path"
    try:
        found = os.stat(parent)
    except OSError as error:
        return str(error.strerror)
    if not stat.S_ISDIR(found.st_mode):
        return "it is not a folder"
    if found.st_uid != os.getuid():
        return "it belongs to another user"
    mode = stat.S_IMODE(found.st_mode)
    return f"other users have access to it (mode {mode:04o}, not 0700)" if mode & 0o077 else ""


def _name_part(project: str) -> str:
    """What tells a person the project, and means nothing in a path or in a pattern."""
    return re.sub(r"[^\w.-]", "_", project[:_NAME_LENGTH], flags=re.ASCII)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
