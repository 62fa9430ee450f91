"""Which protocol each port of a service has: what is written, else what Compose knows of it, else the usual one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from composectl import errors
from composectl.compose.ports import Port
from composectl.config.options import KEYS
from composectl.config.service import ProtocolConfig, ProtocolOption
from composectl.config.settings import Settings
from composectl.config.tls import TlsConfig
from composectl.config.values import PortProtocol
from composectl.proxy.protocol import BY_CONNECTION, Protocol, usual_protocol
from composectl.sanitize import shorten

_TLS_PORT = KEYS["tls_port"]
# But not `domain`, by which requests are directed, too
_OF_TLS = [row.name for row in KEYS.values() if row.target and row.target[0] is TlsConfig and row.name != "domain"]
_CHECKS = ("health-check-path", "health-check-grpc", "health-check-host")
# What users write as `app_protocol`: names of IANA, of the Kubernetes API, and of products
_APP_PROTOCOLS = {
    Protocol.HTTP: "http http1 http/1.1 http2 http/2 h2 h2c grpc grpc-web ws websocket"
    " kubernetes.io/h2c kubernetes.io/ws",
    Protocol.TLS: "https tls ssl wss grpcs kubernetes.io/wss amqps ftps imaps ldaps mqtts pop3s rediss smtps",
    Protocol.TCP: "tcp redis postgres postgresql mysql mariadb mongo mongodb mssql ms-sql-s sqlserver oracle cassandra"
    " amqp rabbitmq mqtt kafka nats zookeeper memcache memcached neo4j bolt ssh sftp ftp smtp imap pop3 ldap",
}
_BY_NAME = {name: protocol for protocol, names in _APP_PROTOCOLS.items() for name in names.split()}
Protocols = Mapping[Port, Protocol]


@dataclass(frozen=True, slots=True)
class Choice:
    """The protocol of a port, and what to tell of it; "" where nothing is."""

    protocol: Protocol
    note: str = ""


def make_protocols(typed: Settings, declared: Settings) -> ProtocolConfig:
    """What the command line and `x-balance` ask for."""
    row, tls_port = KEYS["protocol"], typed.get(_TLS_PORT, declared.get(_TLS_PORT))
    options = [
        ProtocolOption(
            option.flag if settings is typed else f"x-balance.{option.key}",
            settings is typed,
            option.guards,
            option.name in _CHECKS,
            option.needs_connections,
            tls_port if option.name in _OF_TLS else None,
        )
        for settings in (typed, declared)
        for option, value in settings.items()
        if (option.needs_http or option.needs_connections) and value != option.initial
    ]
    return ProtocolConfig(typed.get(row, ()), declared.get(row, ()), tuple(options))


def choose(ports: Mapping[str, Sequence[Port]], written: Mapping[str, ProtocolConfig]) -> Mapping[str, Protocols]:
    """The protocol of each port, by service; the first port of a service is the one that is checked.

    Raises ComposectlError for a port that no service has, and for an option that works on requests where none come.
    """
    _check_ports(ports, written)
    chosen = {
        service: {port: _choice(port, written[service]).protocol for port in published}
        for service, published in ports.items()
    }
    _check_options(chosen, written)
    return {service: dict(_guarded(protocols, written[service])) for service, protocols in chosen.items()}


def notes(ports: Iterable[Port], written: ProtocolConfig) -> Iterator[str]:
    """What to tell of the protocols of these ports, a sentence each."""
    yield from dict.fromkeys(filter(None, (_choice(port, written).note for port in ports)))


# Private


def _choice(port: Port, written: ProtocolConfig) -> Choice:
    for entries in (written.typed, written.declared):
        by_port = {entry.port: entry.protocol for entry in entries}
        found = by_port.get(port.target, by_port.get(None))
        if found is not None:
            return Choice(found)
    known = _BY_NAME.get(port.app_protocol.lower())
    if known is not None:
        return Choice(known)
    usual = Protocol.AUTO if port.target is None else usual_protocol(port.target)
    if port.app_protocol:
        does = "recognised by its first bytes" if usual is Protocol.AUTO else "balanced as tcp"
        unknown = f"the `app_protocol` `{shorten(port.app_protocol)}` of port {port.target} is not known"
        return Choice(usual, f"{unknown}: each connection is {does}")
    if usual is Protocol.AUTO:
        return Choice(usual)
    return Choice(usual, f"{port.target} is a well-known TCP port; each connection goes to one replica")


def _check_ports(ports: Mapping[str, Sequence[Port]], written: Mapping[str, ProtocolConfig]) -> None:
    for service, published in ports.items():
        for entry in written[service].declared:
            _check_port(entry, {service: published})
        for entry in written[service].typed:  # of all services
            _check_port(entry, ports)


def _check_port(entry: PortProtocol, ports: Mapping[str, Sequence[Port]]) -> None:
    """Raise ComposectlError where none of these services has the port."""
    targets = {port.target for published in ports.values() for port in published}
    if entry.port is None or entry.port in targets:
        return
    known = sorted(target for target in targets if target is not None)
    if not known:
        raise errors.UsageError(
            f"the protocol `{entry}` names a port, and each backend has a port of its own",
            f"`--protocol {entry.protocol}` is for all of them",
        )
    whose = f"service `{next(iter(ports))}` does not publish" if len(ports) == 1 else "no balanced service publishes"
    raise errors.ComposectlError(
        f"{whose} container port {entry.port}, for which the protocol `{entry.protocol}` is given",
        f"the container's ports are {', '.join(map(str, known))}",
    )


def _check_options(chosen: Mapping[str, Protocols], written: Mapping[str, ProtocolConfig]) -> None:
    for service, config in written.items():
        for option in config.options:
            concerned = chosen.values() if option.typed else [chosen[service]]
            if not any(_works_on(option, protocols) for protocols in concerned):
                port, protocol = next(iter(chosen[service].items()))
                place = f"port {port.target}" if port.target else port.place
                kind = errors.UsageError if option.typed else errors.ComposectlError
                works, fit = ("connections", Protocol.TCP) if option.connections else ("HTTP requests", Protocol.HTTP)
                raise kind(
                    f"`{option.spelling}` works on {works}, and {place} of service `{service}` is {protocol}",
                    f"omit it, or declare the protocol: `--protocol {f'{port.target}=' if port.target else ''}{fit}`",
                )


def _works_on(option: ProtocolOption, protocols: Protocols) -> bool:
    """Whether there is what the option works on; the first port is the one that is checked."""
    concerned = [next(iter(protocols.values()))] if option.checks else protocols.values()
    return any((protocol in BY_CONNECTION) is option.connections for protocol in concerned)


def _guarded(protocols: Protocols, written: ProtocolConfig) -> Iterator[tuple[Port, Protocol]]:
    """The same, where nothing but HTTP may come to a port that an option guards or checks by HTTP."""
    checked = any(option.checks for option in written.options)
    for number, (port, protocol) in enumerate(protocols.items()):
        guarded = any(option.guards_port(port) for option in written.options)
        is_http = guarded or (checked and number == 0)
        yield port, Protocol.HTTP if is_http and protocol is Protocol.AUTO else protocol
