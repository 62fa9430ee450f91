"""The TLS of a listener: its certificates, chosen by the name of the server."""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from composectl.certificates.acme_challenge import PROTOCOL, challenge_file
from composectl.certificates.certified_key import CertifiedKey
from composectl.certificates.files import CertificateFiles

ALPN = ("h2", "http/1.1")
_OFFERS_ACME = bytes((len(PROTOCOL),)) + PROTOCOL.encode()  # within a ClientHello
# Of TLS 1.2; those of TLS 1.3 are all fit. Each has forward secrecy and authenticates what it encrypts (RFC 9325).
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_Key = tuple[frozenset[str], frozenset[str]]


class TlsContexts:
    """One context for each set of names, with a certificate of each kind of key; `strict`: none for other names.

    A certificate that is renewed goes into the context that is there: session tickets stay valid.
    """

    def __init__(
        self,
        files: CertificateFiles,
        *,
        strict: bool = False,
        challenges: Path | None = None,
        served: Sequence[CertifiedKey] = (),
    ) -> None:
        """`challenges`: the folder of certificates for authorities that ask for them.

        `served`: those to begin with, in place of what the files hold. Raises UsageError.
        """
        self.files = files
        self.certified: Sequence[CertifiedKey] = ()
        self._strict = strict
        self._challenges = challenges
        self._contexts: dict[_Key, ssl.SSLContext] = {}
        self._by_name: dict[str, ssl.SSLContext] = {}
        self._first: ssl.SSLContext | None = None
        self.use(served or files.load())

    def choose(self, server_name: str, hello: bytearray) -> ssl.SSLContext | None:
        """The one for a client that sends this ClientHello; None where it is refused."""
        return self.answer_challenge(server_name, hello) or self.find(server_name)

    def find(self, server_name: str) -> ssl.SSLContext | None:
        """The context for this name, in lower case, "" where the client sends none; None where it is refused."""
        found = self._by_name.get(server_name) or self._by_name.get(f"*.{server_name.partition('.')[2]}")
        return found or (None if self._strict else self._first)

    def answer_challenge(self, server_name: str, hello: bytearray) -> ssl.SSLContext | None:
        """The context for an authority that looks whether the name is ours (RFC 8737); None for all other clients."""
        if self._challenges is None or _OFFERS_ACME not in hello:
            return None
        path = challenge_file(self._challenges, server_name)
        context = make_server_context()
        context.set_alpn_protocols([PROTOCOL])
        try:
            context.load_cert_chain(path)
        except OSError:
            return None
        return context

    def sweep(self) -> None:
        """To be called once a second: use the files if they have changed."""
        changed = self.files.changed()
        if changed is not None:
            self.use(changed)

    def use(self, certified: Sequence[CertifiedKey]) -> None:
        """Serve these from now on."""
        contexts: dict[_Key, ssl.SSLContext] = {}
        by_name: dict[str, ssl.SSLContext] = {}
        groups: dict[frozenset[str], list[CertifiedKey]] = {}
        for each in certified:
            groups.setdefault(frozenset(each.names), []).append(each)
        for names, group in groups.items():
            key = names, frozenset(each.kind for each in group)
            context = contexts[key] = self._contexts.get(key) or make_server_context()
            for each in group:
                load_into(context, each)
            for name in names:
                by_name.setdefault(name, context)
        self.certified, self._contexts, self._by_name = certified, contexts, by_name
        self._first = next(iter(contexts.values()))


def make_server_context() -> ssl.SSLContext:
    """One without a certificate: TLS 1.2 and 1.3, without renegotiation and compression."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(ALPN)
    context.num_tickets = 1  # each connection that it resumes brings another
    return context


def load_into(context: ssl.SSLContext, certified: CertifiedKey) -> None:
    """Use this certificate from now on, in place of one with a key of the same kind."""
    with _as_file(certified.pem) as path:
        context.load_cert_chain(path)


# Private


@contextmanager
def _as_file(pem: bytes) -> Iterator[str]:
    """The ssl module reads keys from files alone: one that is in memory, where the system has such."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            yield path
    finally:
        if sys.platform != "linux":
            os.unlink(path)
