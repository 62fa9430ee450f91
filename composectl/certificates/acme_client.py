"""A certificate of an authority that speaks ACME (RFC 8555)."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from acme import challenges, messages
from acme import client as acme_client
from acme import errors as acme_errors
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC

from composectl import __version__, errors
from composectl.certificates.acme_challenge import HTTP_01, TLS_ALPN_01, Challenges
from composectl.certificates.acme_request import AcmeRequest
from composectl.certificates.files import make_once, replace_file

_NONCES = 10  # that may be refused in a row: another request may have taken one meanwhile
_ORDER_TIME = timedelta(seconds=90)
_REQUEST_SECONDS = 20
_MAX_REASON = 200
# What comes of a server that does not answer, refuses, or answers something else
_FAULTS = (
    *(acme_errors.Error, messages.Error, JoseError, requests.RequestException),
    *(ValueError, KeyError, TypeError, AttributeError, OSError),
)
logging.getLogger("acme").setLevel(logging.CRITICAL)  # which logs whole messages
_Response = challenges.KeyAuthorizationChallengeResponse


@challenges.ChallengeResponse.register
class TlsAlpn01Response(_Response):
    """RFC 8737, section 3."""

    typ = TLS_ALPN_01


@challenges.Challenge.register
class TlsAlpn01(challenges.KeyAuthorizationChallenge):
    """The library knows it no more."""

    response_cls = TlsAlpn01Response
    typ = response_cls.typ

    def validation(self, account_key: JWK, **kwargs: Any) -> str:
        return self.key_authorization(account_key)


def obtain(request: AcmeRequest, folder: Path, answers: Challenges) -> None:
    """Get a certificate for all domains into its file of the folder. Raises ComposectlError.

    Takes up to two minutes, in a thread; the file is there whole or not at all.
    """
    try:
        pem = _obtain(request, folder, answers)
        replace_file(folder / request.certificate_name, pem)
    except _FAULTS as error:
        raise errors.ComposectlError(
            f"{request.server} gave no certificate for {', '.join(request.domains)}: {_reason(error)}",
            "the names must lead here, and the authority must reach port 80 or 443",
        ) from error


# Private


class _Network(acme_client.ClientNetwork):
    """Takes another nonce as often as one is refused."""

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(_NONCES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)


def _obtain(request: AcmeRequest, folder: Path, answers: Challenges) -> bytes:
    client = _log_in(request, folder)
    key = ec.generate_private_key(ec.SECP256R1())
    order = client.new_order(_signing_request(key, request.domains))
    with ExitStack() as undo:
        for authorization in order.authorizations:
            if authorization.body.status != messages.STATUS_VALID:
                undo.callback(_answer(client, authorization, request, answers))
        finished = client.poll_and_finalize(order, datetime.now() + _ORDER_TIME)
    chain = finished.fullchain_pem.encode()
    _check_chain(chain, key)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + chain


def _check_chain(pem: bytes, key: ec.EllipticCurvePrivateKey) -> None:
    """What no server could use must not replace what is there. Raises ValueError."""
    try:
        leaf = x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        raise ValueError("what it sent is no certificate") from None
    if leaf.public_key() != key.public_key():
        raise ValueError("the certificate that it sent is for another key")
    begins, expires = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if not begins <= datetime.now(UTC) <= expires:
        raise ValueError(
            f"the certificate that it sent is valid from {begins:%Y-%m-%d} to {expires:%Y-%m-%d}; check the clock"
        )


def _log_in(request: AcmeRequest, folder: Path) -> acme_client.ClientV2:
    """A client with the account of this user, which is made at the first use."""
    key = _account_key(folder / request.account_name)
    network = _Network(key, alg=ES256, user_agent=f"composectl/{__version__}", timeout=_REQUEST_SECONDS)
    client = acme_client.ClientV2(acme_client.ClientV2.get_directory(request.server, network), network)
    registration = messages.NewRegistration.from_data(email=request.email, terms_of_service_agreed=True)
    try:
        client.new_account(registration)
    except acme_errors.ConflictError as known:
        client.query_registration(messages.RegistrationResource(uri=known.location, body=registration))
    return client


def _account_key(path: Path) -> JWKEC:
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        make_once(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return JWKEC(key=load_pem_private_key(path.read_bytes(), None))


def _answer(
    client: acme_client.ClientV2,
    authorization: messages.AuthorizationResource,
    request: AcmeRequest,
    answers: Challenges,
) -> Callable[[], None]:
    """Make the answer to a challenge, and tell the server; returns what takes it back."""
    offered: Mapping[str, messages.ChallengeBody] = {each.chall.typ: each for each in authorization.body.challenges}
    order = (HTTP_01, TLS_ALPN_01) if request.prefers_http else (TLS_ALPN_01,)
    kind = next((kind for kind in order if kind in offered), None)
    domain = authorization.body.identifier.value
    if kind is None:
        raise ValueError(f"it offers no challenge for {domain} but {', '.join(offered)}")
    response, validation = offered[kind].response_and_validation(client.net.key)
    if kind == HTTP_01:
        forget = answers.answer_http(offered[kind].chall.encode("token"), validation)
    else:
        forget = answers.answer_tls(domain, validation)
    try:
        client.answer_challenge(offered[kind], response)
    except BaseException:
        forget()
        raise
    return forget


def _signing_request(key: ec.EllipticCurvePrivateKey, domains: Sequence[str]) -> bytes:
    names = x509.SubjectAlternativeName([x509.DNSName(domain) for domain in domains])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.add_extension(names, critical=False).sign(key, SHA256()).public_bytes(Encoding.PEM)


def _reason(error: BaseException) -> str:
    """On one line, and not too long: the other side chose it."""
    if isinstance(error, acme_errors.ValidationError):
        faults = (each.error for authorization in error.failed_authzrs for each in authorization.body.challenges)
        said = "; ".join(str(fault.detail) for fault in faults if fault is not None)
    elif isinstance(error, messages.Error):
        said = str(error.detail or error.typ)
    elif isinstance(error, acme_errors.TimeoutError):
        said = "it did not decide in time"
    elif isinstance(error, requests.exceptions.SSLError):
        said = f"TLS with it fails: {_fault_of_tls(error)}"
    elif isinstance(error, requests.ConnectionError | requests.Timeout):
        said = "it cannot be reached"
    elif isinstance(error, OSError) and error.strerror:
        said = error.strerror
    else:
        said = str(error) or type(error).__name__
    return " ".join(said.split())[:_MAX_REASON]


def _fault_of_tls(error: BaseException) -> str:
    """In the words of OpenSSL, where the certificate of the other side is at fault."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return "it speaks another protocol"
