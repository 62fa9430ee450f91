"""A request that is not valid, or whose body is not."""

from __future__ import annotations

from dataclasses import dataclass

from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.errors import BadMessage


@dataclass
class Rejection:
    """What a client's last request is answered with; `to_head`: a HEAD was asked."""

    message: BadMessage
    to_head: bool
    id_line: bytes
    record: AccessRecord | None
