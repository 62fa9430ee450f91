"""The sessions of a service, by `--sticky`: what tells them, and the key that all processes of this user share."""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from composectl import errors
from composectl.balance.sessions import HashedSessions, TokenSessions
from composectl.config.service import BalancingConfig
from composectl.control.paths import make_state_dir, state_dir
from composectl.proxy.session_fields import ApplicationCookie, HeaderSession, OwnCookie, SessionFields

_FILE = "session-key"
_SIZE = 32  # bytes
_NAME_SIZE = 4


def make_session_fields(balancing: BalancingConfig, project: str, service: str) -> SessionFields | None:
    """What tells the sessions of this service; None where it has none. Raises ComposectlError."""
    if not balancing.sticky:
        return None
    key = hmac.digest(load_session_key(state_dir()), f"{project}\0{service}".encode(), "sha256")
    kind, _, name = balancing.sticky.partition(":")
    if kind == "header":
        return HeaderSession(HashedSessions(key, balancing.drain_timeout), name.lower().encode())
    if kind == "cookie":
        return ApplicationCookie(HashedSessions(key, balancing.drain_timeout), name.encode())
    # Browsers send a cookie to all ports of a host: services must not share a name.
    digest = hmac.digest(key, b"cookie", "sha256")[:_NAME_SIZE]
    return OwnCookie(TokenSessions(key, balancing.drain_timeout), f"composectl-{digest.hex()}".encode())


def load_session_key(folder: Path) -> bytes:
    """The key in this folder, which is made once, with mode 0600. Raises ComposectlError."""
    make_state_dir(folder)
    path = folder / _FILE
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise errors.no_session_key(str(path), error.strerror or str(error)) from error
    if len(key) != _SIZE:
        raise errors.no_session_key(str(path), f"it has {len(key)} bytes, not {_SIZE}")
    return key


# Private


def _make_key(path: Path) -> None:
    """Make it whole or not at all, whichever process is the first."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{_FILE}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SIZE))
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
