"""An authority of this user's own, which vouches for the names of this machine."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from composectl import errors
from composectl.certificates.certified_key import CertifiedKey, read_certified_key
from composectl.certificates.files import make_once, replace_file

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY = "composectl local authority"
_ROOT = "authority.pem"
_PUBLIC = "authority.crt"
_BEGIN = b"-----BEGIN CERTIFICATE"
_ROOT_LIFE = timedelta(days=10 * 365)
# Below the 398 days that browsers take at most
_LEAF_LIFE = timedelta(days=90)
_RENEWED_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(hours=1)  # for clocks that are behind
_NOWHERE = ("192.0.2.1", 9)  # of TEST-NET-1 (RFC 5737); nothing is sent to it


class Authority:
    """Keeps its own certificate and key in `folder`, which is this user's alone, and what it vouches for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def export(self) -> Path:
        """The file of its certificate alone, which is made at the first use. Raises ComposectlError."""
        path = self._folder / _PUBLIC
        certificate = _BEGIN + self._root().partition(_BEGIN)[2]
        try:
            if not path.exists() or path.read_bytes() != certificate:
                replace_file(path, certificate)
        except OSError as error:
            raise _unusable(path, error) from error
        return path

    def issue(self, names: Sequence[str], now: datetime | None = None) -> Path:
        """The file of a certificate for these names and of its key: the one of before for two thirds of its life.

        Raises ComposectlError where it can neither be read nor made.
        """
        now = now or datetime.now(UTC)
        digest = hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()[:12]
        path = self._folder / f"internal-{digest}.pem"
        root = self._root()
        if not _is_good(path, root, now):
            try:
                replace_file(path, _make_leaf(root, names, now))
            except OSError as error:
                raise _unusable(path, error) from error
        return path

    # Private

    def _root(self) -> bytes:
        path = self._folder / _ROOT
        try:
            if not path.exists():
                make_once(path, _make_root(datetime.now(UTC)))
            root = path.read_bytes()
        except OSError as error:
            raise _unusable(path, error) from error
        read_certified_key(path, path)
        return root


def own_names() -> list[str]:
    """What this machine is called, and its addresses, as far as its own resolver knows them; `localhost` first."""
    names = {socket.gethostname().lower(), socket.getfqdn().lower()} - {"localhost"}
    addresses = {"127.0.0.1", "::1"}
    with suppress(OSError):
        addresses |= {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(socket.gethostname(), None)}
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_NOWHERE)
        addresses.add(probe.getsockname()[0])
    return ["localhost", *sorted(filter(None, names)), *sorted(addresses)]


# Private


def _unusable(path: Path, error: OSError) -> errors.ComposectlError:
    return errors.ComposectlError(
        f"cannot use {path}: {error.strerror or error}", "set XDG_STATE_HOME to a folder that this user may write to"
    )


def _is_good(path: Path, root: bytes, now: datetime) -> bool:
    """Whether what is there may be used for a while, and is vouched for by this root."""
    try:
        found: CertifiedKey = read_certified_key(path, path, now)
    except errors.ComposectlError:
        return False
    return found.expires - now > _RENEWED_BEFORE and _is_issued_by(path.read_bytes(), root)


def _is_issued_by(leaf: bytes, root: bytes) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    issuer = x509.load_pem_x509_certificate(root)
    try:
        x509.load_pem_x509_certificate(leaf).verify_directly_issued_by(issuer)
    except (ValueError, InvalidSignature):
        return False
    return True


def _make_root(now: datetime) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, AUTHORITY),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, f"composectl {socket.gethostname()}"[:64]),
        ]
    )
    builder = _builder(name, name, key, now, _ROOT_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return _pem(builder, key, key)


def _make_leaf(root: bytes, names: Sequence[str], now: datetime) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    issuer, issuer_key = x509.load_pem_x509_certificate(root), load_pem_private_key(root, None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "composectl")])
    builder = _builder(subject, issuer.subject, key, now, _LEAF_LIFE)
    builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_general_name, names))), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    server = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(server, critical=False).add_extension(identifier, critical=False)
    return _pem(builder, key, issuer_key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey, signer: EllipticCurvePrivateKey) -> bytes:
    """The key, and the certificate that the signer makes of it."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + builder.sign(signer, SHA256()).public_bytes(Encoding.PEM)
