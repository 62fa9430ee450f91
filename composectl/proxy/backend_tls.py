"""TLS towards backends: what is verified of their certificates."""

from __future__ import annotations

import ssl
from typing import Any, Final

from composectl import errors

VERIFY: Final = "verify"
INSECURE: Final = "insecure"
HTTP_1: Final = "http/1.1"
HTTP_2: Final = "h2"
_CLOSE_SECONDS: Final = 1


class BackendTls:
    """`mode`: VERIFY for the authorities of this system, INSECURE for any certificate, else the file of an authority.

    `name`: for which a certificate has to be; "" for the host of each backend.
    """

    def __init__(self, mode: str, name: str) -> None:
        """Raises UsageError where the file is none of authorities."""
        self._name = name
        self._contexts = {protocol: _make_context(mode, protocol) for protocol in (HTTP_1, HTTP_2)}

    def options(self, host: str, protocol: str = HTTP_1) -> dict[str, Any]:
        """Those of `create_connection` for a backend at `host`."""
        return {
            "ssl": self._contexts[protocol],
            "server_hostname": self._name or host,
            "ssl_shutdown_timeout": _CLOSE_SECONDS,
        }


# Private


def _make_context(mode: str, protocol: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if mode in (VERIFY, INSECURE) else mode)
    except OSError as error:
        raise errors.UsageError(
            f"cannot use the authorities in {mode}: {_reason(error)}", "name a file of certificates in PEM"
        ) from None
    if mode == INSECURE:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # Some servers refuse a client that offers nothing they speak.
    context.set_alpn_protocols([HTTP_2, HTTP_1] if protocol == HTTP_2 else [HTTP_1])
    return context


def _reason(error: OSError) -> str:
    return "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else str(error.strerror)
