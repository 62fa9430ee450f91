"""The access log, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from composectl.config.daemon import AccessLogConfig, DaemonConfig, open_log
from composectl.config.settings import build_daemon
from composectl.errors import USAGE, ComposectlError
from composectl.proxy.access_log_format import COMBINED, JSON, LineStyle
from tests.support.options import flags


def log(**typed: Any) -> AccessLogConfig | None:
    return build_daemon(DaemonConfig, flags(**typed)).access_log


def test_by_default_there_is_none() -> None:
    assert log() is None
    assert open_log(None) is None


@pytest.mark.parametrize(
    ("path", "meant"), [("access.log", "/srv/shop/access.log"), ("/var/log/a", "/var/log/a"), ("-", "-")]
)
def test_a_path_is_from_where_it_is_typed(path: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: Path("/srv/shop"))
    assert log(access_log=path) == AccessLogConfig(meant, LineStyle(COMBINED))


def test_names_of_headers_are_in_lower_case_and_there_once() -> None:
    names = ("User-Agent", "x-a", "USER-AGENT")
    made = log(access_log="/a", access_log_format="json", access_log_query=True, access_log_header=names)
    assert made == AccessLogConfig("/a", LineStyle(JSON, True, (b"user-agent", b"x-a")))


@pytest.mark.parametrize(
    "words",
    [
        {"access_log_format": "json"},
        {"access_log_query": True},
        {"access_log_header": ("Host",)},
        {"access_log": "-", "detach": True},
        {"access_log": "a", "access_log_format": "Json"},
        {"access_log": "a", "access_log_header": ("",)},
        {"access_log": "a", "access_log_header": ("Réferer",)},
        {"access_log": "a", "access_log_header": ("Cookie",)},
    ],
)
def test_what_makes_no_sense(words: dict[str, Any]) -> None:
    with pytest.raises(ComposectlError) as refused:
        log(**words)
    assert refused.value.exit_code == USAGE
    assert refused.value.hint


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(ComposectlError, match="Is a directory"):
        open_log(AccessLogConfig(str(tmp_path), LineStyle()))
