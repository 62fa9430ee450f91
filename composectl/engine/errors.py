"""What the SDK raises, in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLCertVerificationError, SSLError
from typing import TypeVar

from composectl import errors
from composectl.engine.endpoint import Endpoint

# Where in the ssl module and in OpenSSL it was found, around the words
_OPENSSL_LOCATION = re.compile(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$")
_E = TypeVar("_E", bound=BaseException)


@contextmanager
def translate_errors(endpoint: Endpoint) -> Iterator[None]:
    """The SDK lets through the exceptions of requests, which are OSErrors, and its own APIError is one too."""
    from docker.errors import DockerException

    try:
        yield
    except (DockerException, OSError) as error:
        raise _translated(endpoint, error) from error


def cause(error: BaseException | None, kind: type[_E]) -> _E | None:
    """The first of this kind among the error and all that it was raised for."""
    while error:
        if isinstance(error, kind):
            return error
        # urllib3 has its errors hold those of the ssl module.
        inner = next((inner for inner in error.args if isinstance(inner, BaseException)), None)
        error = error.__cause__ or error.__context__ or inner
    return None


# Private


def _translated(endpoint: Endpoint, error: Exception) -> errors.ComposectlError:
    from docker.errors import APIError

    if cause(error, PermissionError):
        return errors.ComposectlError(
            f"permission denied: Docker Engine at {endpoint.shown}",
            "join the group `docker`, or use sudo; in a container, add the socket's group with `group_add:`",
        )
    if failed := cause(error, SSLError):
        return _translated_tls_error(endpoint, failed)
    answer = cause(error, APIError)
    if not answer and cause(error, OSError):
        return errors.no_engine(endpoint.shown)
    words = answer.explanation or str(answer) if answer else str(error)
    if answer and "HTTP request to an HTTPS server" in words:
        return errors.ComposectlError(
            f"the Docker Engine at {endpoint.shown} speaks TLS",
            "set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH to the certificates' folder, or use a context with them",
        )
    return errors.engine_failed(endpoint.shown, words)


def _translated_tls_error(endpoint: Endpoint, error: SSLError) -> errors.ComposectlError:
    folder = str(endpoint.tls.folder) if endpoint.tls else ""
    if isinstance(error, SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        return errors.ComposectlError(
            f"the certificate of the Docker Engine at {endpoint.shown} is not trusted: {why}",
            f"the certificate must be in date, for this name, and signed by {folder}/ca.pem",
        )
    reason = error.reason or ""
    if "ALERT" in reason:
        return errors.ComposectlError(
            f"the Docker Engine at {endpoint.shown} rejected the client certificate",
            f"check the dates and the issuer of {folder}/cert.pem: "
            f"`openssl x509 -noout -dates -issuer -in {folder}/cert.pem`",
        )
    if reason == "WRONG_VERSION_NUMBER":
        return errors.ComposectlError(
            f"the server at {endpoint.shown} does not speak TLS",
            "unset DOCKER_TLS_VERIFY and DOCKER_TLS, or name the TLS port, usually 2376",
        )
    return errors.bad_certificates(folder, _OPENSSL_LOCATION.sub("", str(error.args[-1])))
