"""`composectl doctor`: what this machine has of all that is needed."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from composectl import errors
from composectl.compose.binary import look_for_compose, newest
from composectl.compose.options import Invocation
from composectl.control.pacing import run
from composectl.control.paths import check_private, runtime_folder
from composectl.engine.client import Engine
from composectl.engine.endpoint import Endpoint, child_environ, named_by, resolve_endpoint
from composectl.orchestrator.addressing import AUTO, choose_addressing
from composectl.proxy.listener import make_connection_limit
from composectl.proxy.sockets import raise_open_files
from composectl.sanitize import sanitize

_LOW_PORTS = (1, 1023)
_FEW_FILES = 4096
VERSION = 1
_TICK, _CROSS = "\N{CHECK MARK}", "\N{BALLOT X}"
_PLAIN = {_TICK: "+", _CROSS: "-"}


def doctor(invocation: Invocation, *, as_machine: bool) -> int:
    """Print what was found; the exit code is 1 where something is missing that is needed."""
    findings = run(_examine(invocation))
    if as_machine:
        sys.stdout.write(json.dumps(as_json(findings), indent=2) + "\n")
    else:
        sys.stdout.write(as_text(findings, sys.stdout.encoding))
    return 0 if are_well(findings) else 1


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was looked at, whether it `is_well`, and a hint if not; `is_needed`: nothing is balanced without it."""

    what: str
    is_well: bool
    found: str
    hint: str = ""
    is_needed: bool = True


def are_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing that is needed is missing."""
    return all(finding.is_well or not finding.is_needed for finding in findings)


def as_text(findings: Sequence[Finding], encoding: str) -> str:
    """A line for each, a second one for its hint; without marks that the encoding does not have."""
    width = max(len(finding.what) for finding in findings)
    return "".join(_lines(finding, width, encoding) for finding in findings)


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The same for machines; the keys are stable."""
    return {"version": VERSION, "is_well": are_well(findings), "findings": [asdict(finding) for finding in findings]}


# Private


async def _examine(invocation: Invocation) -> list[Finding]:
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


def _told(what: str, look: Callable[[], Finding]) -> Finding:
    """What `look` finds, be it an error."""
    try:
        return look()
    except errors.ComposectlError as error:
        return _missing(what, error)


def _missing(what: str, error: errors.ComposectlError) -> Finding:
    return Finding(what, False, error.message, error.hint)


def _unknown(what: str) -> Finding:
    return Finding(what, False, "not known", "it is looked at when what stands above is mended")


def _compose(environ: Mapping[str, str]) -> Finding:
    candidates = look_for_compose(environ)
    chosen = newest(candidates, environ)
    versions = {name: ".".join(map(str, one.version)) if one else "" for name, one in candidates.items()}
    others = [f"`{name}`: {versions[name] or 'none'}" for name in candidates if name != str(chosen)]
    return Finding("compose", True, "; ".join((f"`{chosen}` {versions[str(chosen)]}", *others)))


def _endpoint(invocation: Invocation) -> tuple[Endpoint | None, Finding]:
    asked = (invocation.host, invocation.context, invocation.environ)
    try:
        endpoint = resolve_endpoint(*asked)
    except errors.ComposectlError as error:
        return None, _missing("endpoint", error)
    tls = "" if endpoint.tls is None else f", with the certificates in {endpoint.tls.folder}"
    return endpoint, Finding("endpoint", True, f"{endpoint.url}{tls}, named by {named_by(*asked)}")


async def _engine(endpoint: Endpoint) -> tuple[Finding, Finding]:
    """The engine, and whether its containers can be reached."""
    try:
        engine = await Engine.connect(endpoint)
    except errors.ComposectlError as error:
        return _missing("engine", error), _unknown("reach")
    try:
        return await _awaited("engine", _version(engine)), await _awaited("reach", _reach(engine))
    finally:
        engine.close()


async def _awaited(what: str, look: Awaitable[Finding]) -> Finding:
    try:
        return await look
    except errors.ComposectlError as error:
        return _missing(what, error)


async def _version(engine: Engine) -> Finding:
    told = await engine.version()
    return Finding("engine", True, f"{told.engine}, API {told.spoken} of {told.oldest} to {told.newest}")


async def _reach(engine: Engine) -> Finding:
    return Finding("reach", True, (await choose_addressing(AUTO, engine)).sentence)


def _folder(environ: Mapping[str, str]) -> Finding:
    folder = runtime_folder(environ)
    if folder.exists():
        check_private(folder)
    return Finding("folder", True, f"{folder}, for the sockets of running composectls")


def _ports() -> Finding:
    if all(map(_may_bind, _LOW_PORTS)):
        return Finding("ports", True, "any can be listened on")
    return _lacking("ports", errors.only_high_ports())


def _may_bind(port: int) -> bool:
    """Whether it is allowed, though somebody may hold it; nobody can connect to what does not listen."""
    with socket.socket() as one:
        try:
            one.bind(("", port))
        except PermissionError:
            return False
        except OSError:
            return True
    return True


def _open_files() -> Finding:
    files, clients = raise_open_files(), make_connection_limit().limit
    if files < _FEW_FILES:
        return _lacking("open files", errors.few_open_files(files, clients))
    return Finding("open files", True, f"{files:,}, enough for {clients:,} clients at once")


def _lacking(what: str, error: errors.ComposectlError) -> Finding:
    """It would do without."""
    return Finding(what, False, error.message, error.hint, is_needed=False)


def _lines(finding: Finding, width: int, encoding: str) -> str:
    mark = _encodable(_TICK if finding.is_well else _CROSS, encoding)
    hint = f"{'':{width + 4}}hint: {sanitize(finding.hint)}\n" if finding.hint else ""
    return f"{mark} {finding.what:{width}}  {sanitize(finding.found)}\n{hint}"


def _encodable(mark: str, encoding: str) -> str:
    try:
        mark.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return _PLAIN[mark]
    return mark
