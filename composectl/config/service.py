"""How requests are balanced, as it was asked for: the options that `up` and `proxy` have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from composectl import errors
from composectl.balance.policy import POLICIES, Policy, SlowStart
from composectl.config.values import OptionName, flag_name, limits, number
from composectl.proxy.access_log import STDOUT, AccessLog, AccessWriter, Sink
from composectl.proxy.access_log_format import COMBINED, FORMATS, REFERER, USER_AGENT, AccessLineFormatter, LineStyle
from composectl.proxy.limits import Limits
from composectl.proxy.queue import QueueConfig

_DEFAULT_POLICY = "least-request"
_DRAIN_SECONDS = 30
# A target in origin-form, as it is sent (RFC 9112, section 3.2.1)
_PATH = re.compile(r"/[!-\"$-~]*")
_OPTION = "access_log"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


@dataclass(frozen=True, slots=True)
class BalancingConfig:
    """`policy` is a name of `POLICIES`; `backend_header`: responses carry `X-Internal-Service`.

    `health_check_path`: the path whose answer tells whether a backend is well; "" where its port does.
    `request_id`: requests without an `X-Request-ID` get one, and responses carry it.
    `max_connections`: how many clients may be connected at once; None for as many as can all be answered at once.
    `slow_start`: the seconds over which the share of a new backend rises; None for a whole one from the first.
    `drain_timeout`: the seconds that requests in flight get at most when their backend leaves, or we end.
    """

    policy: str = _DEFAULT_POLICY
    backend_header: bool = True
    request_id: bool = True
    health_check_path: str = ""
    limits: Limits = field(default_factory=Limits)
    max_connections: int | None = None
    queue: QueueConfig = field(default_factory=QueueConfig)
    slow_start: int | None = None
    drain_timeout: int = _DRAIN_SECONDS

    def make_policy(self, clock: Callable[[], float]) -> Policy:
        """A policy for one pool; `clock` gives seconds."""
        policy = POLICIES[self.policy]()
        return policy if self.slow_start is None else SlowStart(policy, self.slow_start, clock)


def balancing(given: Mapping[str, Any], name_of: OptionName = flag_name) -> BalancingConfig:
    """The meaning of the options as the command line gives them.

    Raises ComposectlError, in which an option is called as it is `name_of`.
    """
    drain = number(given, "drain_timeout", least=0, name_of=name_of)
    return BalancingConfig(
        policy=_policy(given["policy"] or _DEFAULT_POLICY),
        backend_header=not given["no_backend_header"],
        request_id=not given["no_request_id"],
        health_check_path=_path(given["health_check_path"], name_of("health_check_path")),
        limits=limits(given, name_of),
        max_connections=number(given, "max_connections", name_of=name_of),
        queue=_queue(given, name_of),
        slow_start=_slow_start(given, name_of),
        drain_timeout=_DRAIN_SECONDS if drain is None else drain,
    )


@dataclass(frozen=True, slots=True)
class AccessLogConfig:
    """`path` is absolute, or `-` for stdout."""

    path: str
    style: LineStyle


def make_access_log_config(given: Mapping[str, Any], cwd: Path) -> AccessLogConfig | None:
    """What the options of the command line ask for; None for no log. Raises ComposectlError."""
    path = given[_OPTION]
    if path is None:
        _check_nothing_else(given)
        return None
    if path == STDOUT and given["detach"]:
        raise errors.log_in_background()
    style = LineStyle(_format(given), given["access_log_query"], _headers(given["access_log_header"]))
    _check_fits(style)
    return AccessLogConfig(STDOUT if path == STDOUT else str(cwd / path), style)


def open_log(config: AccessLogConfig | None) -> AccessLog | None:
    """A log that can be written to. Raises `log_not_opened`."""
    if config is None:
        return None
    try:
        sink = Sink(config.path)
    except OSError as error:
        raise errors.log_not_opened(config.path, error.strerror or str(error)) from None
    lines, headers = AccessLineFormatter(config.style), frozenset(config.style.headers)
    return AccessLog(AccessWriter(sink), lines.of, headers, on_stdout=config.path == STDOUT)


# Private


def _policy(name: str) -> str:
    if name not in POLICIES:
        raise errors.unknown_policy(name, POLICIES)
    return name


def _queue(given: Mapping[str, Any], name_of: OptionName) -> QueueConfig:
    told = {
        "timeout": number(given, "queue_timeout", least=0, name_of=name_of),
        "size": number(given, "queue_size", name_of=name_of),
    }
    return QueueConfig(**{name: value for name, value in told.items() if value is not None})


def _slow_start(given: Mapping[str, Any], name_of: OptionName) -> int | None:
    seconds = number(given, "slow_start", name_of=name_of)
    if seconds is not None and given["policy"] == "source":
        raise errors.no_slow_start_by_source(name_of("slow_start"), name_of("policy"))
    return seconds


def _path(health: str | None, option: str) -> str:
    if health is not None and not _PATH.fullmatch(health):
        raise errors.bad_health(option, health)
    return health or ""


def _check_nothing_else(given: Mapping[str, Any]) -> None:
    for option, value in given.items():
        if option.startswith(f"{_OPTION}_") and value:
            raise errors.needs_access_log("--" + option.replace("_", "-"))


def _format(given: Mapping[str, Any]) -> str:
    name: str = given["access_log_format"] or COMBINED
    if name not in FORMATS:
        raise errors.unknown_log_format(name, FORMATS)
    return name


def _headers(names: Sequence[str]) -> tuple[bytes, ...]:
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise errors.bad_header_name(name)
    return tuple(dict.fromkeys(name.lower().encode() for name in names))


def _check_fits(style: LineStyle) -> None:
    for name in style.headers:
        if style.format == COMBINED and name not in (REFERER, USER_AGENT):
            raise errors.header_needs_json(name.decode())
