"""`X-Request-ID`: one name of a request at the client, in the proxy and at the backend."""

from __future__ import annotations

import re
from binascii import hexlify
from random import getrandbits
from typing import Final

_NAME: Final = b"X-Request-ID: "
_LINE_END: Final = b"\r\n"
# A token (RFC 9110, section 5.6.2), or what Base64 and paths add to that
_VALUE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z/:=@-]{1,128}")


def request_id_line(request_id: bytes) -> bytes:
    return b"%b%b%b" % (_NAME, request_id, _LINE_END)


def request_id_of(line: bytes) -> bytes:
    """What `request_id_line` has made a line of."""
    return line[len(_NAME) : -len(_LINE_END)]


def make_request_id() -> bytes:
    """32 hexadecimal digits; no secret, but unlike a counter it does not tell how many requests there are."""
    return hexlify(getrandbits(128).to_bytes(16, "big"))


def is_valid_request_id(value: bytes) -> bool:
    """Whether the value of a client may go on as it is."""
    return _VALUE.fullmatch(value) is not None
