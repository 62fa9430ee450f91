"""What the SDK raises, in our words."""

from __future__ import annotations

from pathlib import Path
from ssl import SSLCertVerificationError, SSLError

import pytest
import urllib3
from docker.errors import APIError, DockerException

from composectl.engine.endpoint import Endpoint, Tls
from composectl.engine.errors import cause, translate_errors
from composectl.errors import ComposectlError

FAR = Endpoint("tcp://far:2376", Tls(Path("/certs")))


def told(error: Exception) -> ComposectlError:
    """The error that is told where the SDK, as it always does, wraps this one in one of its own."""
    with pytest.raises(ComposectlError) as caught, translate_errors(FAR):
        raise DockerException("Error while fetching server API version") from error
    return caught.value


def of_openssl(reason: str | None, words: str, kind: type[SSLError] = SSLError) -> SSLError:
    error = kind(1, f"[SSL: {reason}] {words} (_ssl.c:1006)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied"), "permission denied: Docker Engine at tcp://far:2376"),
        (ConnectionRefusedError(111, "refused"), "cannot connect to the Docker Engine at tcp://far:2376"),
        (TimeoutError("timed out"), "cannot connect to the Docker Engine at tcp://far:2376"),
        (ValueError("odd"), "the Docker Engine at tcp://far:2376 failed: Error while fetching server API version"),
        (APIError("500", explanation="no room"), "the Docker Engine at tcp://far:2376 failed: no room"),
        (
            APIError("400", explanation="Client sent an HTTP request to an HTTPS server."),
            "the Docker Engine at tcp://far:2376 speaks TLS",
        ),
        (
            of_openssl("SSLV3_ALERT_BAD_CERTIFICATE", "bad certificate"),
            "the Docker Engine at tcp://far:2376 rejected the client certificate",
        ),
        (
            of_openssl("TLSV13_ALERT_CERTIFICATE_REQUIRED", "certificate required"),
            "the Docker Engine at tcp://far:2376 rejected the client certificate",
        ),
        (of_openssl("WRONG_VERSION_NUMBER", "wrong version"), "the server at tcp://far:2376 does not speak TLS"),
        (of_openssl(None, "PEM lib"), "cannot use the certificates in /certs: PEM lib"),
    ],
)
def test_it_is_told_in_one_line(error: Exception, message: str) -> None:
    assert told(error).message == message


def test_why_a_certificate_is_not_trusted_is_told() -> None:
    error = SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "Hostname mismatch, certificate is not valid for 'far'."
    assert told(error).message == (
        "the certificate of the Docker Engine at tcp://far:2376 is not trusted: "
        "Hostname mismatch, certificate is not valid for 'far'"
    )


def test_an_error_that_another_one_holds_is_found() -> None:
    inner = SSLError("broken")
    assert cause(urllib3.exceptions.SSLError(inner), SSLError) is inner
    assert cause(ValueError("broken"), SSLError) is None


def test_what_is_not_the_sdk_s_goes_through() -> None:
    with pytest.raises(ZeroDivisionError), translate_errors(FAR):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied"),
        ConnectionRefusedError(111, "refused"),
        APIError("500 Server Error for http://me:hunter2@far:2376/v1.41/info"),
        of_openssl("WRONG_VERSION_NUMBER", "wrong version number", SSLError),
    ],
)
def test_a_password_in_the_address_is_never_told(error: Exception) -> None:
    with pytest.raises(ComposectlError) as caught, translate_errors(Endpoint("tcp://me:hunter2@far:2376")):
        raise DockerException("Error while fetching server API version") from error
    assert "***@far:2376" in caught.value.message
    assert "hunter2" not in caught.value.message + caught.value.hint
