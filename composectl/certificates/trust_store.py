"""The stores of authorities that the programs of this machine trust: the system's, and those of browsers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from composectl import errors

_NAME = "composectl-local-authority"
_SECONDS = 300  # for a password that is asked for, too
Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustStore:
    """`adding` and `removing` are the commands that change it; root alone may where `needs_root`.

    `has_it`: it has an authority of composectl.
    """

    title: str
    has_it: bool
    adding: tuple[Command, ...]
    removing: tuple[Command, ...]
    needs_root: bool

    def add(self) -> None:
        """Raises ComposectlError."""
        self._run(self.adding)

    def remove(self) -> None:
        """Raises ComposectlError."""
        self._run(self.removing)

    # Private

    def _run(self, commands: Sequence[Command]) -> None:
        for command in commands:
            run(as_root(command, is_root=os.geteuid() == 0) if self.needs_root else command)


# Folders and commands as the manuals of update-ca-certificates(8), update-ca-trust(8) and trust(1) have them
_SYSTEM = (
    ("/usr/local/share/ca-certificates", ".crt", ("update-ca-certificates",)),
    ("/etc/pki/ca-trust/source/anchors", ".pem", ("update-ca-trust", "extract")),
    ("/etc/ca-certificates/trust-source/anchors", ".pem", ("trust", "extract-compat")),
    ("/usr/share/pki/trust/anchors", ".pem", ("update-ca-certificates",)),
)
# Where Chromium and Firefox keep theirs, below the home directory
_NSS = (
    *(".pki/nssdb/cert9.db", ".mozilla/firefox/*/cert9.db", "snap/firefox/common/.mozilla/firefox/*/cert9.db"),
    "Library/Application Support/Firefox/Profiles/*/cert9.db",
)
_KEYCHAIN = "/Library/Keychains/System.keychain"


def system_store(certificate: Path) -> TrustStore | None:
    """The one of this system; None where none is known."""
    if sys.platform == "darwin":
        return _keychain(certificate)
    for folder, ending, update in _SYSTEM:
        if Path(folder).is_dir() and _find(update[0]):
            file = Path(folder) / f"{_NAME}{ending}"
            add, remove = ("install", "-m", "644", str(certificate), str(file)), ("rm", str(file))
            return TrustStore(folder, file.exists(), (add, update), (remove, update), needs_root=True)
    return None


def browser_stores(certificate: Path, home: Path) -> Iterator[TrustStore]:
    """Those of this user, where the command `certutil` is there to change them."""
    if _find("certutil"):
        for pattern in _NSS:
            for database in sorted(home.glob(pattern)):
                of = ("-d", f"sql:{database.parent}", "-n", _NAME)
                add = ("certutil", "-A", *of, "-t", "C,,", "-i", str(certificate))
                look = subprocess.run(("certutil", "-L", *of), env=_environ(), capture_output=True, check=False)
                remove = ("certutil", "-D", *of)
                yield TrustStore(str(database.parent), not look.returncode, (add,), (remove,), needs_root=False)


def as_root(command: Command, *, is_root: bool) -> Command:
    """The command with root's rights. Raises ComposectlError where there is no way to them."""
    if is_root:
        return command
    if not _find("sudo"):
        raise errors.ComposectlError(f"only root may run `{' '.join(command)}`", "run it as root, or install `sudo`")
    return ("sudo", *command)


def run(command: Command) -> None:
    """Raises ComposectlError where it fails."""
    try:
        done = subprocess.run(command, env=_environ(), capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.ComposectlError(f"cannot run `{' '.join(command)}`: {error}", "run it by hand") from error
    if done.returncode:
        why = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise errors.ComposectlError(f"`{' '.join(command)}` failed: {why[-1]}", "run it by hand")


# Private


def _keychain(certificate: Path) -> TrustStore | None:
    """That of macOS, as the manual of security(1) has it; `-l` lets it look at an authority."""
    if not _find("security"):
        return None
    look = ("security", "verify-cert", "-L", "-l", "-c", str(certificate))
    is_trusted = not subprocess.run(look, env=_environ(), capture_output=True, check=False).returncode
    add = ("security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", _KEYCHAIN, str(certificate))
    remove = ("security", "remove-trusted-cert", "-d", str(certificate))
    return TrustStore(_KEYCHAIN, is_trusted, (add,), (remove,), needs_root=True)


def _find(command: str) -> str | None:
    return shutil.which(command, path=_path())


def _environ() -> dict[str, str]:
    return {**os.environ, "PATH": _path()}


def _path() -> str:
    """Commands for root are in folders that other users do not search."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
