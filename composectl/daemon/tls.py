"""The certificates with which TLS ends at the ports of a service, and what is to be told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from composectl import errors
from composectl.certificates.authority import AUTHORITY
from composectl.compose.ports import Port
from composectl.config.tls import ACME, INTERNAL, TlsConfig, check_tls_port
from composectl.control.paths import make_state_dir, state_dir
from composectl.daemon.tls_plan import TlsPlan
from composectl.proxy.protocol import BY_CONNECTION, Protocol

if TYPE_CHECKING:
    from composectl.certificates.acme_request import AcmeRequest
    from composectl.certificates.authority import Authority
    from composectl.certificates.certified_key import CertifiedKey
    from composectl.proxy.backend_tls import BackendTls

_SOON = timedelta(days=7)
_FOLDER = "certificates"
_UTC_NOW = partial(datetime.now, UTC)


class ServiceTls:
    """`contexts` are for its servers; `renew` renews the files of the certificates where that is due, once a day.

    `now` tells the time of day, in UTC. Raises UsageError.
    """

    def __init__(
        self,
        plan: TlsPlan,
        renew: Callable[[], object] | None = None,
        acme: Acme | None = None,
        now: Callable[[], datetime] = _UTC_NOW,
    ) -> None:
        self._plan = plan
        self.contexts = plan.contexts()
        self._acme = acme
        self._renew = renew
        self._now = now
        self._looked = now().date()
        self._error = ""

    @property
    def plan(self) -> TlsPlan:
        """For another process, which is to serve what is served here."""
        return self._plan.with_served(tuple(self.contexts.certified))

    def sweep(self) -> None:
        """To be called once a second."""
        today = self._now().date()
        if self._renew is not None and today != self._looked:
            self._looked = today
            try:
                self._renew()
                self._error = ""
            except errors.ComposectlError as error:
                self._error = error.message
        if self._acme is not None:
            self._acme.renewal.sweep()
        self.contexts.sweep()

    def answer(self, token: str) -> str | None:
        """The body with which port 80 answers a challenge."""
        return None if self._acme is None else self._acme.challenges.tokens.get(token)

    def notices(self) -> Iterator[str]:
        """What to tell of the certificates."""
        now = self._now()
        if self._acme is not None:
            yield from self._acme.notices(self.contexts.certified)
        if error := self._error or self.contexts.files.error:
            yield f"{error}: the certificate of before goes on being served"
        for each in self.contexts.certified:
            if each.expires < now:
                yield f"the certificate for {each.title} expired on {each.expires:%Y-%m-%d}: clients refuse it"
            elif each.expires - now < _SOON:
                yield f"the certificate for {each.title} expires on {each.expires:%Y-%m-%d}"


class Acme:
    """`contexts` serve a stand-in until the authority has given a certificate."""

    def __init__(self, config: TlsConfig, authority: Authority, folder: Path) -> None:
        """Raises ComposectlError."""
        from composectl.certificates.acme_challenge import Challenges
        from composectl.certificates.acme_renewal import AcmeRenewal
        from composectl.certificates.acme_request import AcmeRequest
        from composectl.certificates.files import replace_file

        request = AcmeRequest(config.acme_server, config.acme_email, config.domains, config.redirect is not None)
        self.path = folder / request.certificate_name
        self.challenges = Challenges(folder)
        self.renewal = AcmeRenewal(self.path, lambda: self._order(request, folder))
        self._server = config.acme_server
        if self.renewal.certificate is None:
            replace_file(self.path, authority.issue(config.domains).read_bytes())

    def notices(self, served: Sequence[CertifiedKey]) -> Iterator[str]:
        """What to tell while there is no certificate, or none after the one that ends."""
        error = self.renewal.error
        if any(each.issuer == AUTHORITY for each in served):
            yield f"{error or f'{self._server} has given no certificate yet'}: one of the local authority is served"
        elif error:
            yield f"{error}: the certificate of before goes on being served"

    # Private

    def _order(self, request: AcmeRequest, folder: Path) -> None:
        from composectl.certificates.acme_client import obtain

        obtain(request, folder, self.challenges)


def make_tls(config: TlsConfig, protocols: Mapping[Port, Protocol]) -> ServiceTls | None:
    """None where no port takes TLS. Raises ComposectlError."""
    ports = [port for port, protocol in protocols.items() if protocol not in BY_CONNECTION]
    if not (config.is_on and ports):
        return None
    check_tls_port(config, ports)
    renew = None
    pairs = list(zip(map(Path, config.certificates), map(Path, config.keys), strict=True))
    if config.mode == INTERNAL:
        from composectl.certificates.authority import own_names

        authority, names = open_authority(), [*own_names(), *config.domains]
        path = authority.issue(names)
        authority.export()
        pairs = [(path, path)]

        def renew() -> Path:
            return authority.issue(names)

    acme = None
    if config.mode == ACME:
        acme = Acme(config, open_authority(), state_dir() / _FOLDER)
        pairs = [(acme.path, acme.path)]
    challenges = state_dir() / _FOLDER if acme else None
    return ServiceTls(TlsPlan(tuple(pairs), acme is not None, config.strict_sni, challenges), renew, acme)


def make_backend_tls(mode: str, service: str, ports: Sequence[Port]) -> BackendTls | None:
    """None where backends are plain. Raises UsageError.

    A replica is known by the name of its service; a backend that has an address of its own by that.
    """
    if not mode:
        return None
    from composectl.proxy.backend_tls import BackendTls

    return BackendTls(mode, "" if ports[0].target is None else service)


def made_certificates() -> tuple[list[str], list[str]]:
    """When each certificate that was made for this user ends, and why others cannot be used. Raises ComposectlError."""
    from composectl.certificates.acme_challenge import CHALLENGE
    from composectl.certificates.certified_key import read_certified_key

    ends, faults = [], []
    for path in sorted((state_dir() / _FOLDER).glob("*.pem")):
        if path.name.startswith(CHALLENGE):
            continue
        try:
            found = read_certified_key(path, path)
        except errors.ComposectlError as error:
            faults.append(error.message)
        else:
            if not (path.name.startswith("acme-") and found.issuer == AUTHORITY):  # a stand-in
                ends.append(f"{found.title} until {found.expires:%Y-%m-%d}")
    return ends, faults


def open_authority() -> Authority:
    """That of this user, whose folder is made if it is missing. Raises ComposectlError."""
    from composectl.certificates.authority import Authority

    folder = state_dir() / _FOLDER
    make_state_dir(folder)
    return Authority(folder)


def ends_tls(config: TlsConfig, port: Port, protocol: Protocol) -> bool:
    """Whether the clients of this port speak TLS to composectl."""
    return protocol is Protocol.HTTP and config.is_for(port)
