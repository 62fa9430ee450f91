"""From what a worker makes the contexts of TLS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from composectl.certificates.certified_key import CertifiedKey
from composectl.certificates.files import CertificateFiles, FilePair

if TYPE_CHECKING:
    from composectl.proxy.tls_contexts import TlsContexts

_FITS = 96 * 1024  # bytes, in one message to a worker


@dataclass(frozen=True, slots=True)
class TlsPlan:
    """For `at_any_time` see `CertificateFiles`, for `strict` and `challenges` `TlsContexts`.

    `served`: what the daemon serves now, as the files may have become unfit since; empty for what they hold.
    """

    pairs: tuple[FilePair, ...]
    at_any_time: bool = False
    strict: bool = False
    challenges: Path | None = None
    served: tuple[CertifiedKey, ...] = ()

    def contexts(self, made: TlsContexts | None = None) -> TlsContexts:
        """`made`: those of the process before this one was forked, which go on. Raises UsageError."""
        from composectl.proxy.tls_contexts import TlsContexts

        if made is not None:
            if self.served:
                made.use(self.served)
            return made
        files = CertificateFiles(self.pairs, at_any_time=self.at_any_time)
        return TlsContexts(files, strict=self.strict, challenges=self.challenges, served=self.served)

    def with_served(self, served: tuple[CertifiedKey, ...]) -> TlsPlan:
        fits = sum(len(each.pem) for each in served) <= _FITS
        return TlsPlan(self.pairs, self.at_any_time, self.strict, self.challenges, served if fits else ())
