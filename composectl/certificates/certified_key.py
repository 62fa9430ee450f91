"""A private key and the certificates that vouch for it, as files in PEM hold them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from composectl import errors

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_OTHERS = 0o077  # what its group, and all users, may do with a file


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """`pem` is the key, then the chain. `names` are in lower case, those of a wildcard begin with `*.`.

    `kind` is that of the key, as `RSA` or `EC`: a server may have one of each for the same names. `issuer`: the
    organization, "" where it does not tell one.
    """

    pem: bytes = field(repr=False)
    names: tuple[str, ...]
    kind: str
    issuer: str
    begins: datetime
    expires: datetime

    @property
    def title(self) -> str:
        """Its first name, and how many others there are."""
        others = f" and {errors.plural(len(self.names) - 1, 'other name')}" if len(self.names) > 1 else ""
        return f"{self.names[0] if self.names else 'no name'}{others}"


def read_certified_key(
    certificate: Path, key: Path, now: datetime | None = None, *, at_any_time: bool = False
) -> CertifiedKey:
    """What these two files hold; they may be one. Raises UsageError where a server could not use it.

    `at_any_time`: though it has expired, say.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    chain = _chain(certificate, _read(certificate, "certificate"))
    private = _private_key(key, _read(key, "key", is_secret=True))
    leaf = chain[0]
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if leaf.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        raise errors.UsageError(
            f"the key {key} does not match the certificate {certificate}",
            "the files are paired in their order; the server's own certificate comes first in its file",
        )
    if not at_any_time:
        _check_validity(certificate, leaf, now or datetime.now(UTC))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem += b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    return CertifiedKey(
        pem, _names(leaf), _kind(private), _issuer(leaf), leaf.not_valid_before_utc, leaf.not_valid_after_utc
    )


# Private


def _read(path: Path, what: str, *, is_secret: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            if is_secret:
                _check_private(path, os.fstat(file.fileno()))
            return file.read()
    except OSError as error:
        raise errors.UsageError(
            f"cannot read the {what} {path}: {error.strerror or error}",
            "name a file in PEM that this user may read",
        ) from None


def _check_private(path: Path, found: os.stat_result) -> None:
    """A key of another user is that user's to protect, as ssh has it."""
    if found.st_uid == os.geteuid() and found.st_mode & _OTHERS:
        raise errors.UsageError(
            f"the key {path} can be read or changed by others (mode {found.st_mode & 0o777:04o})",
            f"`chmod 600 {path}` leaves it to its owner",
        )


def _chain(path: Path, data: bytes) -> Sequence[x509.Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise errors.UsageError(
            f"{path} holds no certificate in PEM", "`--tls-cert` takes the certificate, and `--tls-key` its key"
        ) from None


def _private_key(path: Path, data: bytes) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(data, None)
    except TypeError:  # the password is missing
        raise errors.UsageError(
            f"the key {path} is encrypted", f"decrypt it: `openssl pkey -in {path} -out {path.stem}.plain.pem`"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise errors.UsageError(
            f"{path} holds no private key in PEM", "`--tls-cert` takes the certificate, and `--tls-key` its key"
        ) from None


def _check_validity(path: Path, leaf: x509.Certificate, now: datetime) -> None:
    if leaf.not_valid_after_utc < now:
        raise errors.UsageError(
            f"the certificate {path} expired on {leaf.not_valid_after_utc:%Y-%m-%d}", "renew it, or check the clock"
        )
    if leaf.not_valid_before_utc > now:
        raise errors.UsageError(
            f"the certificate {path} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} on", "check the clock"
        )


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """The names and addresses that it is for; the common name counts where it has no others (RFC 9525, section 6.3)."""
    from cryptography import x509

    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        common = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tuple(str(name.value).lower() for name in common)
    names = extension.value.get_values_for_type(x509.DNSName)
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return (*(name.lower() for name in names), *map(str, addresses))


def _issuer(leaf: x509.Certificate) -> str:
    from cryptography import x509

    found = leaf.issuer.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    return str(found[0].value) if found else ""


def _kind(key: PrivateKeyTypes) -> str:
    """`RSA`, `EC` or the like: a context of OpenSSL holds one of each."""
    return type(key).__name__.lstrip("_").removesuffix("PrivateKey")
