"""What the control API and its clients exchange, as values; importing it costs a client nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from composectl.balance.plan import MAX_REPLICAS
from composectl.balance.replica_range import Scale, most_of, read_scale

Progress = Callable[[str], None]
MAX_TAIL = 1000
_WHOLE = re.compile(r"[0-9]{1,9}")


class InvalidRequest(ValueError):
    """The name of the field that is missing or wrong."""


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """New replicas for old ones of `services`, made from the project `rendered`; "" is what the files make now.

    `parallel`: how many more than desired there may be. `monitor_seconds`: how long a new replica is monitored before
    an old one is removed. Both are None for what `deploy.update_config` of each service says.
    `ready_timeout_seconds`: how long a replica may take to be ready, None for as long as its HEALTHCHECK says.
    `only_changed`: skip a service that has not changed. `canary`: pause after one new replica with this share of the
    requests, between 0 and 1; for one service only.
    """

    services: tuple[str, ...]
    rendered: str
    parallel: int | None = None
    monitor_seconds: float | None = None
    ready_timeout_seconds: float | None = None
    only_changed: bool = False
    canary: float | None = None


@dataclass(frozen=True, slots=True)
class CanaryDecision:
    """Continue the rollout of the paused canary of a service, or abort it."""

    service: str
    promote: bool


@dataclass(frozen=True, slots=True)
class BackendRef:
    """One backend of a service, by its number."""

    service: str
    number: int


@dataclass(frozen=True, slots=True)
class LogsRequest:
    """What the containers of a service print, or of the whole project where `service` is empty.

    `number`: of this replica alone, also of one that comes later under the same number. `tail`: how many of the lines
    that are there already, of each container.
    """

    service: str = ""
    number: int | None = None
    tail: int = 100


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a container has printed at the moment `at`, RFC 3339; `after_gap`: lines before it were left out."""

    at: str
    service: str
    number: int
    text: str
    after_gap: bool = False


@dataclass(frozen=True, slots=True)
class ScaleRequest:
    """The desired replicas by service, or the range; `oldest_first` removes the oldest in place of the highest numbers.

    `ready_timeout_seconds`: how long new ones may take to be ready, None for as long as their HEALTHCHECK says.
    """

    desired: Mapping[str, Scale]
    oldest_first: bool = False
    ready_timeout_seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """A range is written as `2..10`."""
        desired = {service: scale if type(scale) is int else str(scale) for service, scale in self.desired.items()}
        return {
            "desired": desired,
            "oldest_first": self.oldest_first,
            "ready_timeout_seconds": self.ready_timeout_seconds,
        }


@dataclass(frozen=True, slots=True)
class DaemonInfo:
    """`directory` is the project's, as an absolute path; `listeners` are `host:port`.

    `published_host`: the address at which its backends publish ports for it; "" where they are reached at their own.
    `metrics` and `dashboard` are URLs; "" where there is none. `options`: as `effective_options` gives them.
    `ports`: the listeners by the container's port, as text, by service. `profiles`: those that its services are in.

    A proxy over static backends has no directory, and its own name as `project`.
    """

    project: str
    pid: int
    directory: str
    listeners: tuple[str, ...]
    published_host: str = ""
    metrics: str = ""
    dashboard: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()

    @property
    def has_project(self) -> bool:
        """Whether it balances a project of Compose."""
        return bool(self.directory)

    @property
    def has_stack(self) -> bool:
        """Whether the replicas of its project are tasks of a swarm."""
        return self.options.get("swarm") == "True"

    @property
    def title(self) -> str:
        """Its name in a sentence."""
        return f"{'project' if self.has_project else 'proxy'} `{self.project}`"


def parse_rollout(payload: Any) -> RolloutRequest:
    """Raises InvalidRequest."""
    services = _field(payload, "services", {list}, lambda names: names and all(isinstance(name, str) for name in names))
    return RolloutRequest(
        services=tuple(services),
        rendered=_field(payload, "rendered", {str}),
        parallel=_field(payload, "parallel", {int, type(None)}, lambda count: count is None or count > 0),
        monitor_seconds=_seconds(payload, "monitor_seconds"),
        ready_timeout_seconds=_seconds(payload, "ready_timeout_seconds"),
        only_changed=_field(payload, "only_changed", {bool}),
        canary=_field(payload, "canary", {float, type(None)} if len(services) == 1 else {type(None)}, _is_share),
    )


def parse_canary_decision(payload: Any, *, promote: bool) -> CanaryDecision:
    """Raises InvalidRequest."""
    return CanaryDecision(parse_service(payload), promote)


def parse_service(payload: Any) -> str:
    """The name of the service alone. Raises InvalidRequest."""
    return str(_field(payload, "service", {str}))


def parse_backend_ref(payload: Any) -> BackendRef:
    """Raises InvalidRequest."""
    return BackendRef(parse_service(payload), _field(payload, "number", {int}, lambda number: number >= 0))


def parse_scale(payload: Any) -> ScaleRequest:
    """Raises InvalidRequest."""
    return ScaleRequest(
        {service: _scale(scale) for service, scale in _field(payload, "desired", {dict}).items()},
        _field(payload, "oldest_first", {bool}),
        _seconds({"ready_timeout_seconds": None} | payload, "ready_timeout_seconds"),
    )


def parse_logs(query: Mapping[str, str]) -> LogsRequest:
    """The fields of a query. Raises InvalidRequest."""
    service, number = query.get("service", ""), _whole(query, "number", None)
    if number is not None and not service:
        raise InvalidRequest("service")
    tail = _whole(query, "tail", LogsRequest().tail)
    if not tail or tail > MAX_TAIL:
        raise InvalidRequest("tail")
    return LogsRequest(service, number, tail)


# Private


def _whole(query: Mapping[str, str], key: str, default: int | None) -> int | None:
    text = query.get(key)
    if text is None:
        return default
    if not _WHOLE.fullmatch(text):
        raise InvalidRequest(key)
    return int(text)


def _field(payload: Any, key: str, types: set[type], is_valid: Callable[[Any], Any] = lambda _: True) -> Any:
    """The types are exact: a bool is no int."""
    if isinstance(payload, dict) and key in payload and type(payload[key]) in types and is_valid(payload[key]):
        return payload[key]
    raise InvalidRequest(key)


def _is_share(value: float | None) -> bool:
    return value is None or 0 < value < 1


def _seconds(payload: Any, key: str) -> float | None:
    seconds = _field(payload, key, {int, float, type(None)}, _is_duration_or_none)
    return None if seconds is None else float(seconds)


def _is_duration_or_none(seconds: float | None) -> bool:
    return seconds is None or _is_duration(seconds)


def _is_duration(seconds: float) -> bool:
    return 0 <= seconds <= sys.float_info.max


def _scale(value: Any) -> Scale:
    try:
        scale = value if type(value) is int else read_scale(value if type(value) is str and ".." in value else "")
    except ValueError:
        raise InvalidRequest("desired") from None
    if not 0 <= most_of(scale) <= MAX_REPLICAS:
        raise InvalidRequest("desired")
    return scale
