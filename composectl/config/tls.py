"""How the TLS of clients ends at the ports of a service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from composectl import errors
from composectl.compose.ports import Port


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """`certificates` and `keys` are files, paired in their order.

    `port`: the only one of the host that takes TLS; None for all. `hsts`: the seconds for which browsers are to use
    TLS alone, 0 for no word of it. `strict_sni`: clients that name another server, or none, are refused.
    """

    certificates: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    port: int | None = None
    hsts: int = 0
    strict_sni: bool = False

    @property
    def is_on(self) -> bool:
        return bool(self.certificates or self.keys)

    def is_for(self, port: Port) -> bool:
        """Whether TLS ends at this one, if it is one of HTTP."""
        first, last = port.published
        return self.is_on and (self.port is None or first <= self.port <= last)


def check_tls(config: TlsConfig) -> None:
    """Raise UsageError for options that make no sense together."""
    certificates, keys = len(config.certificates), len(config.keys)
    if certificates != keys:
        raise errors.UsageError(
            f"there {_are(certificates, '`--tls-cert`')} and {errors.plural(keys, '`--tls-key`')}",
            "each certificate has a key; a file that holds both is given to both options",
        )
    if config.is_on:
        return
    given = {"--tls-port": config.port, "--hsts": config.hsts, "--strict-sni": config.strict_sni}
    for flag, value in given.items():
        if value:
            raise errors.UsageError(
                f"`{flag}` means nothing without TLS", "add `--tls-cert FILE --tls-key FILE`, or omit it"
            )


def check_tls_port(config: TlsConfig, ports: Iterable[Port]) -> None:
    """Raise UsageError where the service listens on no such port."""
    places = list(ports)
    if config.is_on and not any(map(config.is_for, places)):
        raise errors.UsageError(
            f"`--tls-port {config.port}` is none of the ports that are listened on",
            f"they are {', '.join(port.place.removeprefix('port ') for port in places)}",
        )


# Private


def _are(count: int, noun: str) -> str:
    return f"{'is' if count == 1 else 'are'} {errors.plural(count, noun)}"
