"""With how much care a rollout goes on, and what becomes of its canary, as it is typed."""

from __future__ import annotations

import pytest

from composectl.commands.rollout import check_decision
from composectl.config.service import RolloutConfig
from composectl.config.settings import build
from composectl.errors import USAGE, ComposectlError
from tests.support.options import flags


def config(**typed: str) -> RolloutConfig:
    return build(RolloutConfig, flags("rollout", **typed))


def test_without_a_word_it_is_the_default() -> None:
    assert config() == RolloutConfig()


def test_all_of_it_can_be_said() -> None:
    typed = config(parallel="2", monitor="0", ready_timeout="2m", canary="2.5%")
    assert typed == RolloutConfig(2, 0, 120, 0.025)


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
        config(**{option: text})
    assert (raised.value.message, raised.value.exit_code) == (message, USAGE)
    assert raised.value.hint.startswith("for example: ")


def test_a_canary_is_promoted_or_aborted_or_not_mentioned() -> None:
    check_decision(["echo"], {}, promote=True, abort=False)
    check_decision(["echo"], {}, promote=False, abort=True)
    check_decision(["echo", "web"], flags("rollout", parallel="2"), promote=False, abort=False)


@pytest.mark.parametrize(
    ("services", "typed", "promote", "abort"),
    [
        (["echo", "web"], {}, True, False),
        (["echo"], {}, True, True),
        (["echo"], {"monitor": "5s"}, True, False),
        (["echo"], {"canary": "10%"}, False, True),
    ],
)
def test_a_verdict_stands_alone(services: list[str], typed: dict[str, str], promote: bool, abort: bool) -> None:
    with pytest.raises(ComposectlError, match="takes one service, and cannot be combined with other options") as raised:
        check_decision(services, flags("rollout", **typed), promote=promote, abort=abort)
    assert raised.value.exit_code == USAGE
