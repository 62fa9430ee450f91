"""The certificates with which TLS ends at the ports of a service, and what is to be told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from composectl.compose.ports import Port
from composectl.config.tls import TlsConfig, check_tls_port
from composectl.proxy.protocol import Protocol

if TYPE_CHECKING:
    from composectl.certificates.certified_key import CertifiedKey
    from composectl.proxy.tls_contexts import TlsContexts

_SOON = timedelta(days=7)


def make_tls(config: TlsConfig, protocols: Mapping[Port, Protocol]) -> TlsContexts | None:
    """None where no port takes TLS. Raises UsageError."""
    ports = [port for port, protocol in protocols.items() if protocol is Protocol.HTTP]
    if not (config.is_on and ports):
        return None
    from composectl.certificates.files import CertificateFiles
    from composectl.proxy.tls_contexts import TlsContexts

    check_tls_port(config, ports)
    pairs = zip(map(Path, config.certificates), map(Path, config.keys), strict=True)
    return TlsContexts(CertificateFiles(list(pairs)), strict=config.strict_sni)


def ends_tls(config: TlsConfig, port: Port, protocol: Protocol) -> bool:
    """Whether the clients of this port speak TLS to composectl."""
    return protocol is Protocol.HTTP and config.is_for(port)


def tls_notices(certified: Sequence[CertifiedKey], error: str, now: datetime) -> Iterator[str]:
    """What to tell of them; `error`: why the files as they are now are not used."""
    if error:
        yield f"{error}: the certificate of before goes on being served"
    for each in certified:
        if each.expires < now:
            yield f"the certificate for {each.title} expired on {each.expires:%Y-%m-%d}: clients refuse it"
        elif each.expires - now < _SOON:
            yield f"the certificate for {each.title} expires on {each.expires:%Y-%m-%d}"
