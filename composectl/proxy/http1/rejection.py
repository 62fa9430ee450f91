"""A request that is not valid, or whose body is not."""

from __future__ import annotations

from dataclasses import dataclass

from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.errors import BadMessage
from composectl.proxy.exchange import Exchange


@dataclass
class Rejection:
    """What a client's last request is answered with.

    `exchange`: the one whose body could not be read; None where there was no valid head. `to_head`: a HEAD was asked.
    """

    message: BadMessage
    to_head: bool
    id_line: bytes
    exchange: Exchange | None
    record: AccessRecord | None
