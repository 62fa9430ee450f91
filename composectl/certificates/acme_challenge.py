"""What proves to an authority that a name is ours: answers at port 80, and certificates for TLS-ALPN-01 (RFC 8737)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

from composectl.certificates.files import replace_file

HTTP_01 = "http-01"
TLS_ALPN_01 = "tls-alpn-01"
PROTOCOL = "acme-tls/1"
CHALLENGE = "challenge-"
"""The names of their files begin with this."""
_IDENTIFIER = "1.3.6.1.5.5.7.1.31"  # id-pe-acmeIdentifier
_OCTET_STRING = b"\x04\x20"  # of 32 bytes, in DER
_LIFE = timedelta(days=1)


class Challenges:
    """`tokens` are for port 80; a certificate is a file in `folder`, so that each process that serves can find it."""

    def __init__(self, folder: Path) -> None:
        self.tokens: dict[str, str] = {}
        self._folder = folder

    def answer_http(self, token: str, validation: str) -> Callable[[], None]:
        """Answer a request for this token; returns what takes it back."""
        self.tokens[token] = validation
        return partial(self.tokens.pop, token, None)  # type: ignore[return-value]

    def answer_tls(self, name: str, validation: str) -> Callable[[], None]:
        """Make the certificate for this name; returns what takes it back. Raises OSError."""
        path = challenge_file(self._folder, name)
        replace_file(path, _make(name, validation))
        return partial(path.unlink, missing_ok=True)


def challenge_file(folder: Path, name: str) -> Path:
    """The one with the certificate for this name, which holds no slash, and its key."""
    return folder / f"{CHALLENGE}{name.lower()}.pem"


# Private


def _make(name: str, validation: str) -> bytes:
    """The key and the certificate of RFC 8737, section 3."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "composectl challenge")])
    proof = x509.UnrecognizedExtension(
        x509.ObjectIdentifier(_IDENTIFIER), _OCTET_STRING + sha256(validation.encode()).digest()
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFE)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(proof, critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)
