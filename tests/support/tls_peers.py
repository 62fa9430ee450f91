"""Certificates for servers in files, clients that trust them, and what such clients see."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

from composectl.certificates.files import CertificateFiles, FilePair
from composectl.proxy.tls_contexts import TlsContexts
from tests.support.raw_http import RawConnection, connect


class TlsAuthority:
    """Issues certificates into files of one folder; `ca` is the file with its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.ca = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca)

    def issue(
        self, stem: str, *names: str, days: float = 30, since: float = 1, kind: trustme.KeyType = trustme.KeyType.ECDSA
    ) -> FilePair:
        """Write STEM.pem and STEM.key, valid from `since` days ago, for `days` from now."""
        now = datetime.now(UTC)
        begin, end = now - timedelta(days=since), now + timedelta(days=days)
        issued = self._ca.issue_cert(*names, not_before=begin, not_after=end, key_type=kind)
        certificate, key = self._folder / f"{stem}.pem", self._folder / f"{stem}.key"
        _replace(key, issued.private_key_pem.bytes())
        _replace(certificate, b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        return certificate, key

    def client(self, *protocols: str) -> ssl.SSLContext:
        """One that trusts this authority, and offers these protocols by ALPN."""
        context = ssl.create_default_context(cafile=self.ca)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    def server(self, stem: str, *names: str, protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
        """The one of a server that has these names."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.issue(stem, *names))
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    def contexts(self, *pairs: FilePair, strict: bool = False) -> TlsContexts:
        return TlsContexts(CertificateFiles(pairs), strict=strict)


class TlsWire(RawConnection):
    """A client over TLS; what is sent and read is what is encrypted. `wire` carries it.

    `said_bye`: the other side has ended TLS in order.
    """

    def __init__(self, wire: RawConnection, context: ssl.SSLContext, name: str, session: ssl.SSLSession | None) -> None:
        super().__init__(wire.sock)
        self.wire = wire
        self.said_bye = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name or None, session=session)

    async def shake_hands(self, before: bytes, size: int) -> None:
        """`before` is sent first, as plain text; all is sent in pieces of this size. Raises OSError."""
        await self.wire.send(before)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self.wire.send_in_pieces(self._outgoing.read(), size)
                await self._feed()
        await self.wire.send(self._outgoing.read())

    def encrypted(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self._outgoing.read()

    async def send(self, data: bytes) -> None:
        await self.wire.send(self.encrypted(data))

    async def send_in_pieces(self, data: bytes, size: int = 1) -> None:
        await self.wire.send_in_pieces(self.encrypted(data), size)

    async def say_bye(self) -> None:
        """End TLS, and not the connection."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        await self.wire.send(self._outgoing.read())

    async def piece(self) -> bytes:
        while True:
            try:
                data = self.tls.read(65536)
                self.said_bye = not data
                return data
            except ssl.SSLWantReadError:
                await self._feed()
            except ssl.SSLZeroReturnError:
                self.said_bye = True
                return b""
            except ssl.SSLEOFError:
                return b""

    @property
    def names(self) -> list[str]:
        """Those of the certificate."""
        return [str(name) for _, name in self._certificate["subjectAltName"]]

    @property
    def serial(self) -> str:
        return str(self._certificate["serialNumber"])

    # Private

    @property
    def _certificate(self) -> dict[str, Any]:
        return self.tls.getpeercert() or {}

    async def _feed(self) -> None:
        encrypted = await self.wire.piece()
        if encrypted:
            self._incoming.write(encrypted)
        else:
            self._incoming.write_eof()


async def connect_tls(
    address: tuple[str, int],
    context: ssl.SSLContext,
    name: str = "shop.test",
    *,
    before: bytes = b"",
    size: int = 1 << 20,
    session: ssl.SSLSession | None = None,
) -> TlsWire:
    """For the arguments see `shake_hands`. Raises OSError, as ssl.SSLError is one."""
    wire = TlsWire(await connect(address), context, name, session)
    try:
        await wire.shake_hands(before, size)
    except BaseException:
        wire.close()
        raise
    return wire


# Private


def _replace(path: Path, data: bytes) -> None:
    """At once, as tools that renew certificates do."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(data)
    fresh.rename(path)
