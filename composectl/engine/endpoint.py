"""Which engine to talk to: found once, and handed to the SDK and to Compose alike."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from composectl import errors

DEFAULT_SOCKET = "unix:///var/run/docker.sock"

_DEFAULT = "default"
_USER = re.compile(r"((?:\w+:/*)?)(.*)@", re.DOTALL)  # a password may hold any sign
_VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS to an engine: `folder` holds ca.pem, cert.pem and key.pem, each of which may be missing."""

    folder: Path
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine listens: `unix:///path`, `tcp://host:port`, `ssh://user@host` or `npipe:////./pipe/name`."""

    url: str
    tls: Tls | None = None

    @property
    def shown(self) -> str:
        """The URL for people: without a password, and, except for ssh, without a user, which may be a token."""
        return _without_secret(self.url)

    @property
    def host(self) -> str:
        """The machine that it is on, by name or address; "" for this one."""
        return urlsplit(self.url).hostname or "" if self.url.startswith(("tcp:", "ssh:")) else ""

    @property
    def ssh(self) -> str:
        """What to type after `ssh` to get there; "" where it is not reached by ssh."""
        parts = urlsplit(self.url)
        if parts.scheme != "ssh":
            return ""
        port = f"-p {parts.port} " if parts.port else ""
        return f"{port}{parts.username}@{parts.hostname}" if parts.username else f"{port}{parts.hostname}"


def resolve_endpoint(host: str | None, context: str | None, environ: Mapping[str, str]) -> Endpoint:
    """The engine that the docker command would use with this `-H`, `-c` and environment. Raises ComposectlError.

    Source: docs.docker.com/engine/manage-resources/contexts
    """
    if host and context:
        raise errors.UsageError(
            f"`-H {host}` and `-c {context}` name two engines", "omit one of the two, as with `docker`"
        )
    name, _ = _context(host, context, environ)
    return _from_environment(host, environ) if name == _DEFAULT else _from_context(name, environ)


def named_by(host: str | None, context: str | None, environ: Mapping[str, str]) -> str:
    """What tells which engine is meant, for people. Raises `bad_docker_file`."""
    name, by = _context(host, context, environ)
    return by if name == _DEFAULT else f"context `{name}`, by {by}"


def known_contexts(environ: Mapping[str, str]) -> list[str]:
    """The contexts of Docker that have a file. Raises `bad_docker_file`."""
    metas = (_docker_folder(environ) / "contexts").glob("meta/*/meta.json")
    return [name for meta in metas if isinstance(name := _json(meta).get("Name"), str)]


def child_environ(environ: Mapping[str, str], endpoint: Endpoint) -> dict[str, str]:
    """The environment in which every Compose talks to this endpoint, v1 too, which knows no DOCKER_CONTEXT."""
    variables = {name: value for name, value in environ.items() if name not in _VARIABLES}
    variables["DOCKER_HOST"] = endpoint.url
    if tls := endpoint.tls:
        variables["DOCKER_CERT_PATH"] = str(tls.folder)
        # Any value of DOCKER_TLS_VERIFY means yes, "0" too.
        variables["DOCKER_TLS_VERIFY" if tls.verify else "DOCKER_TLS"] = "1"
    return variables


# Private


def _context(host: str | None, context: str | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """The context, where `default` is what the environment says, and what tells so; in the docker command's order."""
    in_environment = "DOCKER_HOST" if environ.get("DOCKER_HOST") else "nothing, hence the default"
    if host:
        return _DEFAULT, "`-H`"
    if environ.get("DOCKER_HOST") and not context:
        return _DEFAULT, in_environment
    by = "`-c`" if context else "DOCKER_CONTEXT" if environ.get("DOCKER_CONTEXT") else "`docker context use`"
    name = context or environ.get("DOCKER_CONTEXT") or ""
    with suppress(FileNotFoundError):
        name = name or str(_json(_docker_folder(environ) / "config.json").get("currentContext") or "")
    return (name, by) if name and name != _DEFAULT else (_DEFAULT, in_environment)


def _from_environment(host: str | None, environ: Mapping[str, str]) -> Endpoint:
    url = _checked(host or environ.get("DOCKER_HOST") or DEFAULT_SOCKET)
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not url.startswith("tcp:") or not (verify or environ.get("DOCKER_TLS")):
        return Endpoint(url)
    return Endpoint(url, Tls(Path(environ.get("DOCKER_CERT_PATH") or _docker_folder(environ)), verify))


def _from_context(name: str, environ: Mapping[str, str]) -> Endpoint:
    contexts, key = _docker_folder(environ) / "contexts", sha256(name.encode()).hexdigest()
    meta = contexts / "meta" / key / "meta.json"
    try:
        docker = _json(meta)["Endpoints"]["docker"]
        host = docker.get("Host")
    except FileNotFoundError:
        raise errors.ComposectlError(
            f"no Docker context `{name}`",
            errors.did_you_mean(name, "contexts", [_DEFAULT, *sorted(known_contexts(environ))]),
        ) from None
    except (KeyError, TypeError, AttributeError):
        raise errors.bad_docker_file(str(meta), "it names no engine") from None
    url = _checked(host or DEFAULT_SOCKET)
    folder = contexts / "tls" / key / "docker"
    return Endpoint(url, Tls(folder, not docker.get("SkipTLSVerify")) if folder.is_dir() else None)


def _docker_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise errors.bad_docker_file(str(path), str(error)) from error
    return read if isinstance(read, dict) else {}


def _checked(url: str) -> str:
    if "://" not in url and ":/" not in url:
        url = f"tcp://{url}"
    if fault := _fault(url):
        raise errors.ComposectlError(
            f"invalid Docker Engine address `{_without_secret(url)}`: {fault}",
            "for example: unix:///var/run/docker.sock",
        )
    return url


def _fault(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "its host or its port is not valid"
    match parts.scheme:
        case "unix" | "npipe":
            return "" if url.startswith(f"{parts.scheme}:///") and parts.path != "/" else "its path is not absolute"
        case "tcp":
            return "" if host and port else "it needs a host and a port"
        case "ssh":
            return "" if host and parts.path in ("", "/") else "it needs a host, and takes no path"
        case scheme:
            return f"`{scheme}` is none of unix, tcp, ssh and npipe"


def _without_secret(url: str) -> str:
    match = None if url.startswith(("unix:", "npipe:")) else _USER.match(url)
    if not match:
        return url
    name, colon, _ = match[2].partition(":")
    user = "***" if match[1] != "ssh://" else f"{name}:***" if colon else name
    return f"{match[1]}{user}@{url[match.end() :]}"
