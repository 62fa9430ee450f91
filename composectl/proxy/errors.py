"""Why a message is rejected or an exchange fails: the values of `X-Composectl-Error` and of the log's `error`."""

from __future__ import annotations

import asyncio
from enum import StrEnum


class ErrorReason(StrEnum):
    """Values are for scripts and logs; docs/reference/error-reasons.md has the statuses that go with them."""

    # The request is rejected
    BAD_CONTENT_LENGTH = "bad-content-length"
    BAD_HOST = "bad-host"
    BAD_MAX_FORWARDS = "bad-max-forwards"
    BAD_PIN = "bad-pin"
    BAD_REQUEST = "bad-request"
    BAD_TARGET = "bad-target"
    BODY_TOO_LARGE = "body-too-large"
    HEAD_TOO_LARGE = "head-too-large"
    HEAD_TOO_SLOW = "head-too-slow"
    HOST_NOT_ALLOWED = "host-not-allowed"
    IP_NOT_ALLOWED = "ip-not-allowed"
    LOOP = "loop"
    MISDIRECTED = "misdirected"
    NO_CONNECT = "no-connect"
    NO_FURTHER_FORWARDS = "no-further-forwards"
    NO_HOST = "no-host"
    NO_ROUTE = "no-route"
    NOT_HTTP = "not-http"
    NOT_TLS = "not-tls"
    NO_PROXY_PROTOCOL = "no-proxy-protocol"
    PIN_REFUSED = "pin-refused"
    PLAIN_HTTP = "plain-http"
    PROXY_PROTOCOL = "proxy-protocol"
    RATE_LIMITED = "rate-limited"
    TARGET_TOO_LONG = "target-too-long"
    TLS = "tls"
    TLS_HANDSHAKE = "tls-handshake"
    TOO_MANY_FIELDS = "too-many-fields"
    TOO_MANY_IN_FLIGHT = "too-many-in-flight"
    TOO_MANY_LOGINS = "too-many-logins"
    TRAILERS_TOO_LARGE = "trailers-too-large"
    TRANSFER_ENCODING_IN_HTTP_1_0 = "transfer-encoding-in-http-1.0"
    TRANSFER_ENCODING_NOT_IMPLEMENTED = "transfer-encoding-not-implemented"
    UNAUTHORIZED = "unauthorized"
    UNKNOWN_EXPECTATION = "unknown-expectation"
    UNKNOWN_METHOD = "unknown-method"
    UNTRUSTED_PROXY = "untrusted-proxy"
    UNKNOWN_PROTOCOL = "unknown-protocol"
    UNKNOWN_SERVER_NAME = "unknown-server-name"
    VERSION_NOT_SUPPORTED = "version-not-supported"

    # The response is rejected
    BACKEND_IS_NOT_HTTP = "backend-is-not-http"
    BACKEND_SPEAKS_HTTP1 = "backend-speaks-http1"
    BACKEND_SPEAKS_HTTP2 = "backend-speaks-http2"
    BACKEND_SPEAKS_TLS = "backend-speaks-tls"
    BAD_REASON = "bad-reason"
    BAD_RESPONSE = "bad-response"
    BAD_STATUS = "bad-status"
    BAD_TRANSFER_ENCODING = "bad-transfer-encoding"
    FRAMING_IN_TRAILERS = "framing-in-trailers"
    INTERIM_RESPONSE_WITH_A_BODY = "interim-response-with-a-body"
    TOO_MANY_INTERIM_RESPONSES = "too-many-interim-responses"
    UNASKED_UPGRADE = "unasked-upgrade"
    UPGRADE_REFUSED = "upgrade-refused"

    # There is no response
    BACKEND_HUNG_UP = "backend-hung-up"
    BACKEND_TOO_SLOW = "backend-too-slow"
    BACKEND_UNREACHABLE = "backend-unreachable"
    BACKENDS_BUSY = "backends-busy"
    CONNECT_TIMEOUT = "connect-timeout"
    INTERNAL_ERROR = "internal-error"
    NO_BACKEND_READY = "no-backend-ready"
    NO_SUCH_REPLICA = "no-such-replica"
    STREAM_REFUSED = "stream-refused"
    TOO_MANY_OPEN_FILES = "too-many-open-files"

    # Without a response, in the access log alone
    CLIENT_LEFT = "client-left"
    IDLE_TIMEOUT = "idle-timeout"

    # Without a response, also counted as failed
    CUT = "cut"


_STATUS_WITHOUT_A_RESPONSE = {
    ErrorReason.BACKEND_TOO_SLOW: 504,
    ErrorReason.BACKENDS_BUSY: 503,
    ErrorReason.CONNECT_TIMEOUT: 504,
    ErrorReason.INTERNAL_ERROR: 500,
    ErrorReason.NO_BACKEND_READY: 503,
    ErrorReason.NO_SUCH_REPLICA: 503,
    ErrorReason.STREAM_REFUSED: 503,
    ErrorReason.TOO_MANY_OPEN_FILES: 503,
}


def status_of(reason: ErrorReason) -> int:
    """The status of the proxy's own response where a backend gave none."""
    return _STATUS_WITHOUT_A_RESPONSE.get(reason, 502)


class BadMessage(Exception):
    """A request or a response that is not forwarded; `status` and `reason` are the response in its place."""

    def __init__(self, status: int, reason: ErrorReason) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def log_internal_error(error: BaseException) -> None:
    """Pass a bug to the loop's exception handler, which logs it."""
    asyncio.get_running_loop().call_exception_handler({"message": "a fault in composectl", "exception": error})
