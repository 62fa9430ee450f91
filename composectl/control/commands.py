"""What the control API and its clients exchange, as values; importing it costs a client nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from composectl.balance.plan import MAX_REPLICAS

Progress = Callable[[str], None]


class InvalidRequest(ValueError):
    """The name of the field that is missing or wrong."""


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """New replicas for old ones of `services`, made from the project `rendered`.

    `parallel`: how many more than desired there may be. `monitor_seconds`: how long a new replica is monitored before
    an old one is removed. `ready_timeout_seconds`: how long it may take to be ready. `only_changed`: skip a service
    that has not changed. `canary`: pause after one new replica with this share of the requests, between 0 and 1; for
    one service only.
    """

    services: tuple[str, ...]
    rendered: str
    parallel: int = 1
    monitor_seconds: float = 5.0
    ready_timeout_seconds: float = 60.0
    only_changed: bool = False
    canary: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The inverse of `parse_rollout`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CanaryDecision:
    """Continue the rollout of the paused canary of a service, or abort it."""

    service: str
    promote: bool

    def as_json(self) -> dict[str, Any]:
        """The inverse of `parse_promote`, or of `parse_abort`."""
        return {"service": self.service}


@dataclass(frozen=True, slots=True)
class BackendRef:
    """One backend of a service, by its number."""

    service: str
    number: int

    def as_json(self) -> dict[str, Any]:
        """The inverse of `parse_backend_ref`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ScaleRequest:
    """The desired replicas by service; `oldest_first` removes the oldest in place of the highest numbers."""

    desired: Mapping[str, int]
    oldest_first: bool = False

    def as_json(self) -> dict[str, Any]:
        """The inverse of `parse_scale`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DaemonInfo:
    """`directory` is the project's, as an absolute path; `listeners` are `host:port`.

    `published_host`: the address at which its backends publish ports for it; "" where they are reached at their own.
    `metrics` and `dashboard` are URLs; "" where there is none.

    A proxy over static backends has no directory, and its own name as `project`.
    """

    project: str
    pid: int
    directory: str
    listeners: tuple[str, ...]
    published_host: str = ""
    metrics: str = ""
    dashboard: str = ""

    @property
    def has_project(self) -> bool:
        """Whether it balances a project of Compose."""
        return bool(self.directory)

    @property
    def title(self) -> str:
        """Its name in a sentence."""
        return f"{'project' if self.has_project else 'proxy'} `{self.project}`"


def parse_rollout(payload: Any) -> RolloutRequest:
    """Raises InvalidRequest."""
    services = _field(payload, "services", _are_names)
    return RolloutRequest(
        services=tuple(services),
        rendered=_field(payload, "rendered", _is_text),
        parallel=_field(payload, "parallel", _is_positive),
        monitor_seconds=float(_field(payload, "monitor_seconds", _is_duration)),
        ready_timeout_seconds=float(_field(payload, "ready_timeout_seconds", _is_duration)),
        only_changed=_field(payload, "only_changed", _is_bool),
        canary=_field(payload, "canary", _is_share if len(services) == 1 else lambda value: value is None),
    )


def parse_promote(payload: Any) -> CanaryDecision:
    """Raises InvalidRequest."""
    return CanaryDecision(parse_service(payload), promote=True)


def parse_abort(payload: Any) -> CanaryDecision:
    """Raises InvalidRequest."""
    return CanaryDecision(parse_service(payload), promote=False)


def parse_service(payload: Any) -> str:
    """The name of the service alone. Raises InvalidRequest."""
    return str(_field(payload, "service", _is_text))


def parse_backend_ref(payload: Any) -> BackendRef:
    """Raises InvalidRequest."""
    return BackendRef(parse_service(payload), _field(payload, "number", _is_count))


def parse_scale(payload: Any) -> ScaleRequest:
    """Raises InvalidRequest."""
    return ScaleRequest(_field(payload, "desired", _are_counts), _field(payload, "oldest_first", _is_bool))


# Private


def _field(payload: Any, key: str, is_valid: Callable[[Any], bool]) -> Any:
    if not isinstance(payload, dict) or key not in payload or not is_valid(payload[key]):
        raise InvalidRequest(key)
    return payload[key]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return value is None or (type(value) is float and 0 < value < 1)


def _is_positive(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_duration(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < float("inf")


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _are_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_count(count) and count <= MAX_REPLICAS for count in value.values())
