"""What asyncio's transports call: our connections are such protocols by what they do, as compiled classes must be."""

from __future__ import annotations

from asyncio import Protocol
from typing import Protocol as Structure
from typing import cast


class Connection(Structure):
    """One side of a TCP connection (see asyncio.Protocol)."""

    def data_received(self, data: bytes, /) -> None:
        """Bytes have come."""

    def eof_received(self) -> None:
        """The other side sends no more; ours is closed too."""

    def pause_writing(self) -> None:
        """The other side takes no more for now."""

    def resume_writing(self) -> None:
        """The other side takes more again."""

    def connection_lost(self, error: Exception | None, /) -> None:
        """The end."""


def as_protocol(connection: Connection) -> Protocol:
    """The same, for asyncio."""
    return cast(Protocol, connection)
