"""Whatever a compose file from elsewhere has under `x-balance`: taken, or refused in one short line."""

from __future__ import annotations

from composectl.compose.project import read_x_balance
from composectl.config.x_balance import XBalance, parse_x_balance
from composectl.errors import ComposectlError

_MAX_MESSAGE = 300
_HEADS = ("", "services:\n  echo:\n    x-balance: ", "services: {echo: {x-balance: ", "x-a: &a [b]\n")


def judge(printed: str) -> dict[str, XBalance]:
    """What is taken of it. Raises AssertionError where a refusal is not one short line with a hint."""
    try:
        declared = read_x_balance(printed)
        return {service: parse_x_balance(service, value) for service, value in declared.items()}
    except ComposectlError as refused:
        _check_refusal(refused)
        return {}


def judge_blindly(data: bytes) -> None:
    """As `judge`; the first byte chooses what stands before the rest."""
    judge(_HEADS[data[0] % len(_HEADS) if data else 0] + data[1:].decode(errors="replace"))


# Private


def _check_refusal(refused: ComposectlError) -> None:
    assert refused.message.isprintable(), refused.message
    assert len(refused.message) <= _MAX_MESSAGE
    assert refused.hint
