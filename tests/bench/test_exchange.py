"""Requests over connections in memory are answered, those with new heads, too."""

from __future__ import annotations

import pytest

from bench import exchange


def test_each_kind_of_request_has_its_time(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(exchange, "_ROUNDS", 1)
    monkeypatch.setattr(exchange, "_REQUESTS", 100)
    exchange.main()
    alike, traced = capsys.readouterr().out.splitlines()
    assert alike.endswith(", alike (py)")
    assert traced.endswith(", traced (py)")
    assert float(alike.split()[0]) > 0
    assert float(traced.split()[0]) > 0
