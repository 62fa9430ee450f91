"""`--workers`, as it is typed."""

from __future__ import annotations

import sys

import pytest

from composectl.config.cores import usable_cores
from composectl.config.daemon import DaemonConfig
from composectl.config.settings import build_daemon
from composectl.config.values import WORKERS, parse
from composectl.errors import USAGE, ComposectlError
from tests.support.options import flags


def test_one_process_serves_by_default() -> None:
    assert build_daemon(DaemonConfig, {}).workers == 1


@pytest.mark.parametrize(("text", "workers"), [("1", 1), ("64", 64), ("auto", usable_cores())])
def test_a_number_or_all_cores(text: str, workers: int) -> None:
    assert parse(WORKERS, text, "--workers") == workers


@pytest.mark.parametrize("text", ["0", "65", "-1", "many", ""])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="a number of processes from 1 to 64, or auto"):
        parse(WORKERS, text, "--workers")


def test_it_is_for_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert build_daemon(DaemonConfig, flags(workers="1")).workers == 1
    with pytest.raises(ComposectlError, match="requires Linux") as refused:
        build_daemon(DaemonConfig, flags(workers="2"))
    assert refused.value.exit_code == USAGE
