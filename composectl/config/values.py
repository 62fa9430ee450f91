"""The kinds of values that options take, and how each is parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, cast

import click
from click.shell_completion import CompletionItem

from composectl import errors
from composectl.balance.backend import join_address
from composectl.balance.replica_range import read_scale
from composectl.compose.ports import Port
from composectl.config.cores import usable_cores
from composectl.proxy.backend_tls import INSECURE, VERIFY
from composectl.proxy.field_edits import FieldEdit
from composectl.proxy.head import OUR_REQUEST_FIELDS, OUR_RESPONSE_FIELDS, is_reserved
from composectl.proxy.protocol import Protocol
from composectl.proxy.routes import plain_path
from composectl.proxy.token_buckets import RateLimit

_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST_NAME = rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?"
_DURATION = r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m|)"
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}
_SHARE = r"([0-9]{1,2}(?:\.[0-9]{1,2})?)%"
_MOST_WORKERS = 64
_WHOLE_NUMBER = r"0|[1-9][0-9]{0,8}"
_PREFIX = r"/[A-Za-z0-9/._~!$&'()*+,=:@-]*"
_RATE = r"([1-9][0-9]{0,5})/([smh])(?::([1-9][0-9]{0,5}))?"
_RATE_UNITS = {"s": 1, "m": 60, "h": 3600}
_SIZE = r"([1-9][0-9]{0,11})([kmg]?)"
_SIZE_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
# A target in origin-form, as it is sent (RFC 9112, section 3.2.1)
_PATH = r"/[!-\"$-~]*"
_GRPC_SERVICE = r"[!-~]{1,127}"
_MAPPED_BITS = 96  # before the IPv4 address
_FIELD_VALUE = r"(?:[!-~](?:[ -~]{0,4094}[!-~])?)?"  # RFC 9110, section 5.5, without other bytes than ASCII
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"  # RFC 9110, section 5.6.2


@dataclass(frozen=True, eq=False)
class Value(click.ParamType):  # type: ignore[type-arg]
    """A kind of value, by its metavar; `parse` raises ValueError where a text is no such value.

    `expected` and `examples` tell what is one; `schema` is its JSON Schema in `x-balance`; `show` writes a default;
    `words` are all values, where they are few; `item` is the JSON Schema of an item of a mapping, in which
    `KEY: ITEM` stands for `KEY=ITEM`, and `keys` a pattern of its keys. `quote` is what may be shown of a bad text.
    """

    name: str
    parse: Callable[[str], Any]
    expected: str
    examples: Sequence[str]
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string", "minLength": 1})
    show: Callable[[Any], str] = str
    words: Sequence[str] = ()
    item: dict[str, Any] | None = None
    keys: str = "^[0-9]+$"
    quote: Callable[[str], str] = str

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if self.name == "FILE":
            return [CompletionItem(incomplete, "file")]
        return [CompletionItem(word) for word in self.words if word.startswith(incomplete)]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.parse(value)
        except ValueError:
            self.fail(f"expected {self.expected}", param, ctx)


def whole_number(metavar: str, least: int = 1, most: int = 999_999_999, expected: str = "") -> Value:
    """The kind of a whole number in decimal digits, from `least` to `most`."""

    def parse(text: str) -> int:
        number = int(_matched(_WHOLE_NUMBER, text)[0])
        _check(text, least <= number <= most)
        return number

    digits = "^[1-9][0-9]{0,8}$" if least else "^(0|[1-9][0-9]{0,8})$"
    schema = _number_or_text(digits, minimum=least, maximum=most)
    return Value(metavar, parse, expected or f"a whole number, {least} or more", ["10"], schema)


def parse(kind: click.ParamType[Any], text: str, name: str) -> Any:
    """The value of the option, or of the key, that is called `name`. Raises ComposectlError."""
    try:
        return kind.convert(text, None, None)
    except click.BadParameter:
        if isinstance(kind, Value):
            raise errors.invalid_value(kind.quote(text), name, kind.expected, kind.examples) from None
        choices = cast("click.Choice[str]", kind).choices
        raise errors.UsageError(
            f"invalid value `{text}` for `{name}`: expected {', '.join(choices[:-1])} or {choices[-1]}",
            errors.did_you_mean(text, "values", sorted(choices)),
        ) from None


def schema_of(kind: click.ParamType[Any]) -> dict[str, Any]:
    """The JSON Schema of such a value in a compose file, where a variable may stand for a number."""
    return kind.schema if isinstance(kind, Value) else {"enum": list(cast("click.Choice[str]", kind).choices)}


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP port of a host: a name, IPv4, or IPv6 without brackets; empty for all addresses of this machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return join_address(self.host, self.port) if self.host else str(self.port)


@dataclass(frozen=True, slots=True)
class PortProtocol:
    """The protocol of one port of the container; None for all of them."""

    port: int | None
    protocol: Protocol

    def __str__(self) -> str:
        return self.protocol if self.port is None else f"{self.port}={self.protocol}"


@dataclass(frozen=True, slots=True)
class ServiceRoute:
    """Requests for this host, empty for any, below this path go to the service."""

    service: str
    host: bytes
    path: bytes

    def __str__(self) -> str:
        return f"{self.service}={(self.host + self.path).decode()}"


def parse_listen(text: str) -> Port:
    """`[HOST:]PORT[:TARGET]` as a port to listen on. Raises ValueError."""
    address, _, last = text.rpartition(":")
    host, _, middle = address.rpartition(":")
    port, target = (middle, last) if middle.isdigit() else (last, None)
    host = (address if target is None else host).strip("[]")
    _check(text, _is_port(port) and (target is None or _is_port(target)) and (not host or _is_address(host)))
    return Port(host, (int(port), int(port)), None if target is None else int(target), "tcp")


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """A network; one of IPv6 addresses that stand for IPv4 ones (RFC 4291, section 2.5.5.2) is the IPv4 one.

    Raises ValueError.
    """
    network = ip_network(text)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def _number_or_text(pattern: str, **bounds: int) -> dict[str, Any]:
    """The JSON Schema of a number, or of a text that may hold a variable."""
    return {"oneOf": [{"type": "integer", **bounds}, {"type": "string", "pattern": rf"{pattern}|\$"}]}


def _matched(pattern: str, text: str) -> re.Match[str]:
    match = re.fullmatch(pattern, text)
    if match is None:
        raise ValueError(text)
    return match


def _check(text: str, is_valid: object) -> None:
    if not is_valid:
        raise ValueError(text)


def _is_host(text: str) -> bool:
    """Whether it is a name, an IPv4 address, or an IPv6 address in brackets."""
    if text.startswith("["):
        return text.endswith("]") and "%" not in text and _is_address(text[1:-1], IPv6Address)
    return _is_address(text) if re.fullmatch(r"[0-9.]+", text) else re.fullmatch(_HOST_NAME, text) is not None


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < 65536


def _is_address(text: str, kind: type = object) -> bool:
    """Whether it is an IP address, without brackets, of this kind."""
    with suppress(ValueError):
        return isinstance(ip_address(text), kind)
    return False


def _listener(text: str, default_host: str = "") -> Address:
    host, colon, port = text.rpartition(":")
    _check(text, _is_port(port) and (_is_host(host) or not colon))
    return Address(host.strip("[]") or default_host, int(port))


def _backend(text: str) -> Address:
    address = _listener(text)
    _check(text, address.host and address.port)
    return address


def _duration(text: str) -> float:
    duration = _matched(_DURATION, text)
    return float(duration[1]) * _DURATION_UNITS[duration[2]]


def _share(text: str) -> float:
    share = float(_matched(_SHARE, text)[1]) / 100
    _check(text, share)
    return share


def _workers(text: str) -> int:
    if text == "auto":
        return min(usable_cores(), _MOST_WORKERS)
    workers = int(_matched(_WHOLE_NUMBER, text)[0])
    _check(text, 1 <= workers <= _MOST_WORKERS)
    return workers


def _size(text: str) -> int:
    size = _matched(_SIZE, text.lower())
    return int(size[1]) * _SIZE_UNITS[size[2]]


def _rate(text: str) -> RateLimit:
    count, unit, burst = _matched(_RATE, text).groups()
    return RateLimit(int(count), _RATE_UNITS[unit], int(burst or count))


def _sticky(text: str) -> str:
    if text in ("true", "false"):
        return text if text == "true" else ""
    kind, name = _matched(rf"(cookie|header):({_TOKEN})", text).groups()
    field = name.lower().encode()
    _check(text, kind == "cookie" or not (is_reserved(field) or field in (*OUR_REQUEST_FIELDS, b"cookie")))
    return text


def _prefix(text: str) -> bytes:
    path = _matched(_PREFIX, text)[0].rstrip("/").encode()
    _check(text, not path or plain_path(path) == path)
    return path


def _route(text: str) -> ServiceRoute:
    service, equals, place = text.partition("=")
    host, slash, path = place.partition("/")
    _check(text, service and equals and place)
    return ServiceRoute(service, _domain(host).encode() if host else b"", _prefix(slash + path) if slash else b"")


def _field(ours: frozenset[bytes], text: str) -> FieldEdit:
    name, value = _matched(rf"({_TOKEN})=({_FIELD_VALUE})", text).groups()
    _check(text, not (is_reserved(name.lower().encode()) or name.lower().encode() in ours))
    return FieldEdit(name.encode(), value.encode())


def _without_value(text: str) -> str:
    """What of a field may be shown: its value may be a secret."""
    name = re.split(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]", text, maxsplit=1)[0]
    return name if name == text else f"{name}..."


def _protocol(text: str) -> PortProtocol:
    port, equals, name = text.rpartition("=")
    _check(text, not equals or (_is_port(port) and int(port)))
    return PortProtocol(int(port) if equals else None, Protocol(name))


def _domain(text: str) -> str:
    name = text.lower().removesuffix(".")
    _check(text, _is_address(name) or re.fullmatch(_HOST_NAME, name.removeprefix("*.")))
    return name


def _host(text: str) -> bytes:
    _check(text, _is_host(text))
    return text.lower().removesuffix(".").encode()


PATH = Value(
    "PATH",
    lambda text: _matched(_PATH, text)[0],
    "a path, percent-encoded",
    ["/healthz"],
    {"type": "string", "pattern": f"^{_PATH}$"},
)
GRPC_SERVICE = Value(
    "SERVICE",
    lambda text: "" if text == "false" else _matched(_GRPC_SERVICE, text)[0],
    "the name of a gRPC service, or true for the whole server",
    ["shop.Cart"],
    {"oneOf": [{"type": "boolean"}, {"type": "string", "pattern": f"^{_GRPC_SERVICE}$"}]},
)
SIZE = Value(
    "SIZE", _size, "a size", ["10m", "512k", "1g", "1000"], _number_or_text("^[1-9][0-9]*[kmgKMG]?$", minimum=1)
)
RATE = Value(
    "RATE[:BURST]",
    _rate,
    "N/s, N/m or N/h, and :BURST for how many may come at once",
    ["10/s", "10/s:50", "600/m"],
    {"type": "string", "pattern": rf"^{_RATE}$|\$"},
)
LISTEN = Value(
    "[HOST:]PORT[:TARGET]",
    parse_listen,
    "[HOST:]PORT[:TARGET]",
    ["8080", "127.0.0.1:8080:80"],
    _number_or_text("^(.*:)?[0-9]+$", minimum=0, maximum=65535),
)
LISTENER = Value("[HOST:]PORT", _listener, "[HOST:]PORT", ["8080", "127.0.0.1:8080", "[::1]:8080"])
ADMIN_ADDRESS = Value(
    "[HOST:]PORT", partial(_listener, default_host="127.0.0.1"), "[HOST:]PORT", ["9464", "0.0.0.0:9464"]
)
BACKEND = Value("HOST:PORT", _backend, "HOST:PORT", ["127.0.0.1:9001", "[::1]:9001", "localhost:9001"])
NETWORK = Value("CIDR", parse_network, "a network", ["10.0.0.0/8", "192.0.2.7", "fd00::/8"])
HOST = Value("HOST", _host, "a host without a port", ["shop.example", "[::1]"], show=bytes.decode)
DOMAIN = Value("NAME", _domain, "a name, one that begins with `*.`, or an address", ["shop.test", "*.shop.test"])
HEADER = Value("NAME", lambda text: _matched(_TOKEN, text)[0].lower().encode(), "the name of a header", ["User-Agent"])
_make_field = partial(
    Value,
    "NAME=VALUE",
    expected="NAME=VALUE, with a header that the proxy does not write itself",
    schema={"type": "string", "pattern": rf"^{_TOKEN}="},
    item={"type": "string"},
    keys=f"^{_TOKEN}$",
    quote=_without_value,
)
REQUEST_FIELD = _make_field(parse=partial(_field, OUR_REQUEST_FIELDS), examples=["X-Env=production", "Cookie="])
RESPONSE_FIELD = _make_field(parse=partial(_field, OUR_RESPONSE_FIELDS), examples=["X-Frame-Options=DENY", "Server="])
PREFIX = Value(
    "PATH",
    _prefix,
    "a path without query, empty segments or percent-encoding",
    ["/api"],
    {"type": "string", "pattern": rf"^{_PREFIX}$|\$"},
    show=bytes.decode,
)
ROUTE = Value("SERVICE=HOST[/PATH]", _route, "SERVICE=HOST[/PATH]", ["api=shop.example/api", "web=*.shop.example"])
DURATION = Value("TIME", _duration, "a duration", ["5s", "500ms", "2m"], show=lambda seconds: f"{seconds:g}s")
SHARE = Value("SHARE", _share, "a percentage between 0% and 100%", ["10%"])
PROJECT_NAME = Value(
    "NAME",
    lambda text: _matched(r"[a-z0-9][a-z0-9_-]*", text)[0],
    "lower-case letters, digits, `-` and `_`, with a letter or digit first",
    ["edge"],
)
TEXT = Value("NAME", str, "a name", ["echo"])
LOG_FILE = Value("FILE", lambda text: text if text == "-" else str(Path.cwd() / text), "a file, or -", ["access.log"])
FILE = Value("FILE", str, "a file", ["server.pem"])
EMAIL = Value("MAIL", lambda text: _matched(r"[!-?A-~]+@[A-Za-z0-9.-]+", text)[0], "an address", ["me@shop.example"])
ACME_SERVER = Value(
    "URL",
    lambda text: _matched(r"https://[!-~]+", text)[0],
    "an address that begins with https://",
    ["https://ca.example/dir"],
)
BACKEND_TLS = Value(
    "CHECK",
    str,
    "verify, insecure, or a file of authorities",
    ["verify", "ca.pem"],
    {"oneOf": [{"enum": [True]}, {"type": "string", "minLength": 1}]},
    words=(VERIFY, INSECURE),
)
SECONDS = whole_number("SECONDS")
SECONDS_OR_NONE = whole_number("SECONDS", least=0)
COUNT = whole_number("N")
REPLICAS = Value(
    "N|MIN..MAX",
    read_scale,
    "a whole number, 0 or more, or a range",
    ["10", "2..10"],
    _number_or_text(r"^(0|[1-9][0-9]{0,8})(\.\.[1-9][0-9]{0,8})?$", minimum=0, maximum=999_999_999),
)
WORKERS = Value("N", _workers, "a number of processes from 1 to 64, or auto", ["2", "auto"], words=("auto",))
CONTAINER_PORT = whole_number("N", most=65535, expected="a port from 1 to 65535")
STICKY = Value(
    "KIND:NAME",
    _sticky,
    "cookie:NAME or header:NAME, with a field that reaches backends as it came",
    ["cookie:JSESSIONID", "header:X-User-Id"],
    {"oneOf": [{"type": "boolean"}, {"type": "string", "pattern": rf"^((cookie|header):{_TOKEN}|true|false)$|\$"}]},
)
PROTOCOL = Value(
    "[PORT=]NAME",
    _protocol,
    "http, tcp, tls or auto, or PORT=NAME",
    ["tcp", "6379=tcp"],
    {"type": "string", "pattern": rf"^([0-9]+=)?({'|'.join(Protocol)})$|\\$"},
    words=tuple(Protocol),
    item={"type": "string", "pattern": rf"^({'|'.join(Protocol)})$|\$"},
)
