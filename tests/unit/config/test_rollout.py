"""With how much care a rollout goes on, and what becomes of its canary, as it is typed."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.config.rollout import RolloutConfig, decides_canary, make_rollout_config
from composectl.errors import USAGE, ComposectlError

UNTYPED = dict.fromkeys(("parallel", "monitor", "ready_timeout", "canary")) | {"promote": False, "abort": False}


def given(**typed: Any) -> dict[str, Any]:
    """These, and the others as they are where they were not typed."""
    return UNTYPED | typed


def test_without_a_word_it_is_the_default() -> None:
    assert make_rollout_config(given()) == RolloutConfig()


def test_all_of_it_can_be_said() -> None:
    told = make_rollout_config(given(parallel="2", monitor="0", ready_timeout="2m", canary="2.5%"))
    assert told == RolloutConfig(2, 0, 120, 0.025)


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("parallel", "0", "invalid value `0` for `--parallel`: expected a whole number, 1 or more"),
        ("parallel", "two", "invalid value `two` for `--parallel`: expected a whole number, 1 or more"),
        ("monitor", "5 s", "invalid value `5 s` for `--monitor`: expected a duration"),
        ("ready_timeout", "-1s", "invalid value `-1s` for `--ready-timeout`: expected a duration"),
        *(
            ("canary", text, f"invalid value `{text}` for `--canary`: expected a percentage between 0% and 100%")
            for text in ("0%", "0.00%", "100%", "200%", "-1%", "10", "0.1", "%", "", "10 %", "1e1%", "\u0661%", "10%\n")
        ),
    ],
)
def test_what_makes_no_sense_is_refused(option: str, text: str, message: str) -> None:
    with pytest.raises(ComposectlError) as raised:
        make_rollout_config(given(**{option: text}))
    assert (raised.value.message, raised.value.exit_code) == (message, USAGE)
    assert raised.value.hint.startswith("for example: ")


def test_a_canary_goes_on_or_is_taken_back_or_nothing_is_said_of_it() -> None:
    assert decides_canary(["echo"], given(promote=True))
    assert decides_canary(["echo"], given(abort=True))
    assert not decides_canary(["echo", "web"], given(parallel="2"))


@pytest.mark.parametrize(
    ("services", "typed"),
    [
        (["echo", "web"], {"promote": True}),
        (["echo"], {"promote": True, "abort": True}),
        (["echo"], {"promote": True, "monitor": "5s"}),
        (["echo"], {"abort": True, "canary": "10%"}),
    ],
)
def test_a_verdict_stands_alone(services: list[str], typed: dict[str, Any]) -> None:
    with pytest.raises(ComposectlError, match="takes one service, and cannot be combined with other options") as raised:
        decides_canary(services, given(**typed))
    assert raised.value.exit_code == USAGE
