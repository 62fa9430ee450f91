"""`X-Request-ID`: one name for a request at the client, in our access log and at the backend."""

from __future__ import annotations

import re
from binascii import hexlify
from random import getrandbits

# A token (RFC 9110, section 5.6.2), or what Base64 and paths add to that
_FIT = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z/:=@-]{1,128}")


def make_request_id() -> bytes:
    """32 hexadecimal digits; it is no secret, and unlike a counter it does not tell how much is asked of us."""
    return hexlify(getrandbits(128).to_bytes(16, "big"))


def is_fit(said: bytes) -> bool:
    """Whether what a client has said may go on as it is."""
    return _FIT.fullmatch(said) is not None
