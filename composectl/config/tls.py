"""How the TLS of clients ends at the ports of a service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from composectl import errors
from composectl.compose.ports import Port

INTERNAL, ACME = "internal", "acme"
MODES = (INTERNAL, ACME)


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """`certificates` and `keys` are files, paired in their order; `mode` is where they come from otherwise.

    `domains`: the names for which they are made. `acme_email` and `acme_server`: the account, and the directory of the
    authority, by default that of Let's Encrypt. `port`: the only one of the host that takes TLS; None for all.
    `redirect`: the one at which plain HTTP is sent on to HTTPS. `hsts`: the seconds for which browsers are to use TLS
    alone, None for no word of it. `strict_sni`: clients that name another server, or none, are refused.
    """

    certificates: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    mode: str = ""
    domains: tuple[str, ...] = ()
    acme_email: str = ""
    acme_server: str = "https://acme-v02.api.letsencrypt.org/directory"
    port: int | None = None
    redirect: int | None = None
    hsts: int | None = None
    strict_sni: bool = False

    @property
    def is_on(self) -> bool:
        return bool(self.certificates or self.keys or self.mode)

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
    if config.mode and certificates:
        raise errors.UsageError(
            f"`--tls {config.mode}` cannot be combined with `--tls-cert`: a certificate comes from one place",
            "omit one of the two",
        )
    if config.mode == ACME:
        _check_acme(config)
    elif config.acme_email:
        raise errors.UsageError("`--acme-email` requires `--tls acme`", "add `--tls acme`, or omit it")
    given = {
        "--tls-port": config.port,
        "--redirect-http": config.redirect,
        "--hsts": config.hsts,
        "--strict-sni": config.strict_sni,
    }
    for flag, value in given.items():
        if value and not config.is_on:
            raise errors.UsageError(
                f"`{flag}` means nothing without TLS",
                "add `--tls internal`, or `--tls-cert FILE --tls-key FILE`, or omit it",
            )
    if config.port is not None and config.port == config.redirect:
        raise errors.UsageError(
            f"`--tls-port {config.port}` and `--redirect-http {config.redirect}` are one port", "change one of the two"
        )


def check_tls_port(config: TlsConfig, ports: Iterable[Port]) -> None:
    """Raise UsageError where the service listens on no such port for HTTP."""
    places = list(ports)
    if config.is_on and not any(map(config.is_for, places)):
        raise errors.UsageError(
            f"`--tls-port {config.port}` is none of the ports for HTTP that are listened on",
            f"they are {', '.join(port.place.removeprefix('port ') for port in places)}",
        )


def split_redirect(config: TlsConfig, ports: Sequence[Port]) -> tuple[list[Port], Port | None]:
    """The ports that are served, and the one for the redirect, which the service may publish itself.

    Raises UsageError where no other port is left.
    """
    if config.redirect is None:
        return list(ports), None
    place = config.redirect, config.redirect
    served = [port for port in ports if port.published != place]
    if not served:
        raise errors.UsageError(
            f"`--redirect-http {config.redirect}` takes the only port that is listened on",
            "HTTPS needs another port: `--listen 443`, say",
        )
    hosts = [port.host_ip for port in ports if port.published == place] or [served[0].host_ip]
    return served, Port(hosts[0], place, None, "tcp")


def check_redirects(redirects: Mapping[str, Port | None]) -> None:
    """Raise UsageError where plain HTTP at one port would be sent on to two services."""
    given = [(service, port) for service, port in redirects.items() if port is not None]
    for (service, port), (other, another) in combinations(given, 2):
        if port.conflicts_with(another):
            raise errors.UsageError(
                f"`--redirect-http {port.published[0]}` leads to one HTTPS port: `{service}` and `{other}` have two",
                "write `redirect_http` for one of them in `x-balance`, or let them share an HTTPS port",
            )


# Private


def _check_acme(config: TlsConfig) -> None:
    for flag, value in (("--domain", config.domains), ("--acme-email", config.acme_email)):
        if not value:
            raise errors.UsageError(
                f"`--tls acme` requires `{flag}`",
                "for example: `--tls acme --domain shop.example --acme-email me@shop.example`",
            )
    for domain in config.domains:
        if domain.startswith("*.") or "." not in domain or ":" in domain or domain.replace(".", "").isdigit():
            raise errors.UsageError(
                f"`--tls acme` cannot prove `--domain {domain}`: it takes whole names of the public DNS",
                "`--tls-cert` takes a certificate of your own for it",
            )


def _are(count: int, noun: str) -> str:
    return f"{'is' if count == 1 else 'are'} {errors.plural(count, noun)}"
