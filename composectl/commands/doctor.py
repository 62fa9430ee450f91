"""`composectl doctor`: what this machine has of all that is needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from composectl import errors
from composectl.compose.options import Invocation
from composectl.sanitize import sanitize

if TYPE_CHECKING:
    from composectl.engine.client import Engine
    from composectl.engine.endpoint import Endpoint

_LOW_PORTS = (1, 1023)
_FEW_FILES = 4096
VERSION = 1
_TICK, _CROSS = "\N{CHECK MARK}", "\N{BALLOT X}"
_PLAIN = {_TICK: "+", _CROSS: "-"}


@click.command()
@click.option("--json", "as_machine", is_flag=True, help="Print JSON with stable keys.")
@click.pass_obj
def doctor(invocation: Invocation, as_machine: bool) -> int:
    """Check what composectl needs on this machine.

    The exit code is 1 if something is missing.

    \b
    composectl doctor
    composectl -c far doctor --json
    """
    from composectl.control.pacing import run

    checks = run(examine(invocation))
    if as_machine:
        sys.stdout.write(json.dumps(as_json(checks), indent=2) + "\n")
    else:
        sys.stdout.write(as_text(checks, sys.stdout.encoding))
    return 0 if are_well(checks) else 1


@dataclass(frozen=True, slots=True)
class Check:
    """`what` was looked at, whether it `is_well`, and a hint if not; `is_needed`: nothing is balanced without it."""

    what: str
    is_well: bool
    found: str
    hint: str = ""
    is_needed: bool = True


async def examine(invocation: Invocation) -> list[Check]:
    """All checks of this machine, and of the engine that is named."""
    from composectl.engine.endpoint import child_environ

    endpoint, of_endpoint = _endpoint(invocation)
    environ = child_environ(invocation.environ, endpoint) if endpoint else invocation.environ
    return [
        _told("compose", lambda: _compose(environ)),
        of_endpoint,
        *(await _engine(endpoint) if endpoint else (_unknown("engine"), _unknown("reach"))),
        _told("folder", lambda: _folder(invocation.environ)),
        _told("ports", _ports),
        _open_files(),
    ]


def are_well(checks: Sequence[Check]) -> bool:
    """Whether nothing that is needed is missing."""
    return all(check.is_well or not check.is_needed for check in checks)


def as_text(checks: Sequence[Check], encoding: str) -> str:
    """A line for each, a second one for its hint; without marks that the encoding does not have."""
    width = max(len(check.what) for check in checks)
    return "".join(_lines(check, width, encoding) for check in checks)


def as_json(checks: Sequence[Check]) -> dict[str, Any]:
    """The same for machines; the keys are stable."""
    return {"version": VERSION, "is_well": are_well(checks), "findings": [asdict(check) for check in checks]}


# Private


def _told(what: str, look: Callable[[], Check]) -> Check:
    """What `look` finds, be it an error."""
    try:
        return look()
    except errors.ComposectlError as error:
        return _missing(what, error)


def _missing(what: str, error: errors.ComposectlError) -> Check:
    return Check(what, False, error.message, error.hint)


def _unknown(what: str) -> Check:
    return Check(what, False, "not known", "it is looked at when what stands above is mended")


def _compose(environ: Mapping[str, str]) -> Check:
    from composectl.compose.binary import look_for_compose, newest

    candidates = look_for_compose(environ)
    chosen = newest(candidates, environ)
    versions = {name: ".".join(map(str, one.version)) if one else "" for name, one in candidates.items()}
    others = [f"`{name}`: {versions[name] or 'none'}" for name in candidates if name != str(chosen)]
    return Check("compose", True, "; ".join((f"`{chosen}` {versions[str(chosen)]}", *others)))


def _endpoint(invocation: Invocation) -> tuple[Endpoint | None, Check]:
    from composectl.engine.endpoint import named_by, resolve_endpoint

    asked = (invocation.host, invocation.context, invocation.environ)
    try:
        endpoint = resolve_endpoint(*asked)
    except errors.ComposectlError as error:
        return None, _missing("endpoint", error)
    tls = "" if endpoint.tls is None else f", with the certificates in {endpoint.tls.folder}"
    return endpoint, Check("endpoint", True, f"{endpoint.url}{tls}, named by {named_by(*asked)}")


async def _engine(endpoint: Endpoint) -> tuple[Check, Check]:
    """The engine, and whether its containers can be reached."""
    from composectl.engine.client import Engine

    try:
        engine = await Engine.connect(endpoint)
    except errors.ComposectlError as error:
        return _missing("engine", error), _unknown("reach")
    try:
        return await _awaited("engine", _version(engine)), await _awaited("reach", _reach(engine))
    finally:
        engine.close()


async def _awaited(what: str, look: Awaitable[Check]) -> Check:
    try:
        return await look
    except errors.ComposectlError as error:
        return _missing(what, error)


async def _version(engine: Engine) -> Check:
    version = await engine.version()
    return Check("engine", True, f"{version.engine}, API {version.spoken} of {version.oldest} to {version.newest}")


async def _reach(engine: Engine) -> Check:
    from composectl.orchestrator.addressing import AUTO, choose_addressing

    return Check("reach", True, (await choose_addressing(AUTO, engine)).sentence)


def _folder(environ: Mapping[str, str]) -> Check:
    from composectl.control.paths import check_private, runtime_dir

    folder = runtime_dir(environ)
    if folder.exists():
        check_private(folder)
    return Check("folder", True, f"{folder}, for the sockets of running composectls")


def _ports() -> Check:
    if all(map(_may_bind, _LOW_PORTS)):
        return Check("ports", True, "any can be listened on")
    hint = "ports below 1024 need root or CAP_NET_BIND_SERVICE; `--listen 8080` uses another port"
    return Check("ports", False, "only ports from 1024 on", hint, is_needed=False)


def _may_bind(port: int) -> bool:
    """Whether it is allowed, even if the port is in use; nothing can connect to a socket that does not listen."""
    import socket

    with socket.socket() as one:
        try:
            one.bind(("", port))
        except PermissionError:
            return False
        except OSError:
            return True
    return True


def _open_files() -> Check:
    from composectl.proxy.listener import make_connection_limit
    from composectl.proxy.sockets import raise_open_files

    files, clients = raise_open_files(), make_connection_limit().limit
    is_enough = files >= _FEW_FILES
    hint = "" if is_enough else "`ulimit -Hn` shows the limit; root can raise it"
    return Check(
        "open files", is_enough, f"{files:,}, enough for {clients:,} clients at once", hint, is_needed=is_enough
    )


def _lines(check: Check, width: int, encoding: str) -> str:
    mark = _encodable(_TICK if check.is_well else _CROSS, encoding)
    hint = f"{'':{width + 4}}hint: {sanitize(check.hint)}\n" if check.hint else ""
    return f"{mark} {check.what:{width}}  {sanitize(check.found)}\n{hint}"


def _encodable(mark: str, encoding: str) -> str:
    try:
        mark.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return _PLAIN[mark]
    return mark
