"""Whether the addresses of containers can be reached from here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

_SECONDS = 1.0
_NOBODY_LISTENS = 1  # a refusal is an answer, too


async def first_reached(addresses: Sequence[str]) -> str:
    """The first of these addresses of the engine at which something answers; "" where none does."""
    answers = await asyncio.gather(*map(_answers, addresses))
    return next((address for address, answered in zip(addresses, answers, strict=True) if answered), "")


# Private


async def _answers(address: str) -> bool:
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(address, _NOBODY_LISTENS)
    except ConnectionRefusedError:
        return True
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    return True
