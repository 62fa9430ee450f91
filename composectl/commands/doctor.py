"""`composectl doctor`: what this machine has of all that is needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from composectl import errors
from composectl.compose.options import Invocation
from composectl.sanitize import sanitize

if TYPE_CHECKING:
    from composectl.engine.client import Engine
    from composectl.engine.endpoint import Endpoint
    from composectl.engine.swarm import SwarmNode
    from composectl.engine.swarm_client import SwarmEngine

_FEW_FILES = 4096
_OF_THE_ENGINE = ("engine", "backends", "swarm")
_OLDEST_OF_A_SWARM = (20, 10)
_MARKS, _PLAIN_MARKS = "\N{BALLOT X}\N{CHECK MARK}", "-+"


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
    from composectl.engine.endpoint import child_environ, named_by, resolve_endpoint

    asked = (invocation.host, invocation.context, invocation.environ)
    environ = invocation.environ
    try:
        endpoint = resolve_endpoint(*asked)
    except errors.ComposectlError as error:
        found = [_missing("endpoint", error), *map(_unknown, _OF_THE_ENGINE)]
    else:
        environ = child_environ(environ, endpoint)
        tls = f", with the certificates in {endpoint.tls.folder}" if endpoint.tls else ""
        named = Check("endpoint", True, f"{endpoint.shown}{tls}, named by {named_by(*asked)}")
        found = [named, *await _engine(endpoint)]
    return [
        await _check("compose", _compose(environ)),
        *found,
        await _check("folder", _folder(environ)),
        _ports(),
        _https_ports(),
        _certificates(),
        _open_files(),
    ]


def are_well(checks: Sequence[Check]) -> bool:
    """Whether nothing that is needed is missing."""
    return all(check.is_well or not check.is_needed for check in checks)


def as_text(checks: Sequence[Check], encoding: str) -> str:
    """A line for each, a second one for its hint; without marks that the encoding does not have."""
    marks, width = _MARKS, max(len(check.what) for check in checks)
    try:
        marks.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        marks = _PLAIN_MARKS
    lines = []
    for check in checks:
        lines.append(f"{marks[check.is_well]} {check.what:{width}}  {sanitize(check.found)}\n")
        if check.hint:
            lines.append(f"{'':{width + 4}}hint: {sanitize(check.hint)}\n")
    return "".join(lines)


def as_json(checks: Sequence[Check]) -> dict[str, Any]:
    """The same for machines; the keys are stable."""
    return {"version": 1, "is_well": are_well(checks), "checks": [asdict(check) for check in checks]}


def check_nodes(nodes: Sequence[SwarmNode]) -> Check:
    """The check of a manager that knows these nodes."""
    found = f"manager of {errors.plural(len(nodes), 'node')}"
    if away := [f"`{node.hostname}` is {node.state}" for node in nodes if node.state != "ready"]:
        return Check("swarm", False, f"{found}; {', '.join(away)}", "`docker node ls` shows them", is_needed=False)
    if old := [f"`{node.hostname}` has {node.engine}" for node in nodes if _is_old(node.engine)]:
        hint = "use Docker Engine 20.10 or newer on each node"
        return Check("swarm", False, f"{found}; {', '.join(old)}", hint, is_needed=False)
    versions = ", ".join(sorted({node.engine for node in nodes}))
    return Check("swarm", True, f"{found}, each of them ready; engine {versions}")


# Private


async def _check(what: str, found: Awaitable[str]) -> Check:
    try:
        return Check(what, True, await found)
    except errors.ComposectlError as error:
        return _missing(what, error)


def _missing(what: str, error: errors.ComposectlError) -> Check:
    return Check(what, False, error.message, error.hint)


def _unknown(what: str) -> Check:
    return Check(what, False, "not known", "fix the problems above first")


async def _compose(environ: Mapping[str, str]) -> str:
    from composectl.compose.binary import look_for_compose, newest

    candidates = look_for_compose(environ)
    chosen = newest(candidates, environ)
    versions = {name: ".".join(map(str, binary.version)) if binary else "" for name, binary in candidates.items()}
    others = [f"`{name}`: {versions[name] or 'none'}" for name in candidates if name != str(chosen)]
    return "; ".join((f"`{chosen}` {versions[str(chosen)]}", *others))


async def _engine(endpoint: Endpoint) -> list[Check]:
    """The engine, whether its containers can be reached, and the swarm that it is in."""
    from composectl.engine.swarm_client import SwarmEngine

    try:
        engine = await SwarmEngine.connect(endpoint)
    except errors.ComposectlError as error:
        return [_missing("engine", error), *map(_unknown, _OF_THE_ENGINE[1:])]
    try:
        checks = [await _check("engine", _version(engine)), await _check("backends", _backends(engine))]
        return [*checks, await _swarm(engine)]
    finally:
        engine.close()


async def _version(engine: Engine) -> str:
    version = await engine.version()
    return f"{version.engine}, API {version.spoken} of {version.oldest} to {version.newest}"


async def _backends(engine: Engine) -> str:
    from composectl.orchestrator.addressing import AUTO, choose_addressing

    return (await choose_addressing(AUTO, engine)).sentence


async def _swarm(engine: SwarmEngine) -> Check:
    """Whether it can deploy stacks, and whether the nodes can run them."""
    try:
        info = await engine.swarm_info()
        nodes = [*(await engine.nodes()).values()] if info.is_manager else []
    except errors.ComposectlError as error:
        return replace(_missing("swarm", error), is_needed=False)
    if not info.node_id:
        return Check("swarm", True, "none, which only `up --swarm` needs")
    if not info.is_manager:
        hint = f"run `up --swarm` on a manager: {', '.join(info.managers) or '`docker node ls` works there'}"
        return Check("swarm", False, "this node is a worker", hint, is_needed=False)
    return check_nodes(nodes)


def _is_old(engine: str) -> bool:
    from composectl.compose.binary import parse_version

    version = parse_version(engine.partition("+")[0])
    return version is not None and version < _OLDEST_OF_A_SWARM


async def _folder(environ: Mapping[str, str]) -> str:
    from composectl.control.paths import check_private, runtime_dir, runtime_fault

    folder = runtime_dir(environ)
    if folder.exists():
        check_private(folder)
    fault = runtime_fault(environ)
    return f"{folder}, for the sockets of running composectls{f'; {fault}' if fault else ''}"


def _ports() -> Check:
    if all(map(_may_bind, (1, 1023))):
        return Check("ports", True, "any can be listened on")
    hint = "ports below 1024 need root or CAP_NET_BIND_SERVICE; `--listen 8080` uses another port"
    return Check("ports", False, "only ports from 1024 on", hint, is_needed=False)


def _may_bind(port: int) -> bool:
    """Whether it is allowed, even if the port is in use; nothing can connect to a socket that does not listen."""
    import socket

    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError as error:
            return not isinstance(error, PermissionError)
    return True


def _https_ports() -> Check:
    from composectl.proxy.port_owner import process_on

    taken = [f"{port} is held by {process_on(port) or 'a process'}" for port in (80, 443) if _is_listened_on(port)]
    return Check("https", True, "; ".join(taken) or "80 and 443 are free", is_needed=False)


def _is_listened_on(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _certificates() -> Check:
    """Those that composectl has made for this user."""
    from composectl.daemon.tls import made_certificates

    try:
        ends, faults = made_certificates()
    except errors.ComposectlError as error:
        return replace(_missing("tls", error), is_needed=False)
    hint = "remove the file: `--tls` makes a new one" if faults else ""
    found = "; ".join((*faults, *ends)) or "no certificate is made yet"
    return Check("tls", not faults, found, hint, is_needed=False)


def _open_files() -> Check:
    from composectl.proxy.listener import make_connection_limit
    from composectl.proxy.sockets import raise_open_files

    files, clients = raise_open_files(), make_connection_limit().limit
    is_enough = files >= _FEW_FILES
    hint = "" if is_enough else "`ulimit -Hn` shows the limit; root can raise it"
    return Check(
        "open files", is_enough, f"{files:,}, enough for {clients:,} clients at once", hint, is_needed=is_enough
    )
