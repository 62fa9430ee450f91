"""Which requests the dashboard answers."""

from __future__ import annotations

import pytest

from composectl.control.dashboard.auth import DashboardAuth

TOKEN = "a-token"
MAY = {"Host": "localhost:9091", "Origin": "http://localhost:9091", "Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("host", ["localhost:9091", "127.0.0.1:9091", "[::1]:9091", "LOCALHOST", "shop.example:80"])
def test_our_own_names_are_answered_for(host: str) -> None:
    assert DashboardAuth("shop.example").rejection("GET", {"Host": host}) is None


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:9091", "localhost.evil.example", "shop.example.", "[::1"]
)
def test_any_other_name_is_not(host: str) -> None:
    assert DashboardAuth("shop.example", TOKEN).rejection("GET", MAY | {"Host": host}) == 421
    assert DashboardAuth("shop.example", TOKEN).rejection("POST", MAY | {"Host": host}) == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_without_a_token_there_is_only_reading(method: str) -> None:
    assert DashboardAuth("127.0.0.1").rejection(method, MAY) == 405
    assert DashboardAuth("127.0.0.1").rejection("HEAD", MAY) is None


def test_the_token_allows_commands() -> None:
    assert DashboardAuth("127.0.0.1", TOKEN).rejection("POST", MAY) is None
    assert DashboardAuth("127.0.0.1", TOKEN).has_token(MAY)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer another", f"bearer {TOKEN}", TOKEN, f"Bearer {TOKEN} ", "Bearer é"]
)
def test_another_token_does_not(authorization: str) -> None:
    assert DashboardAuth("127.0.0.1", TOKEN).rejection("POST", MAY | {"Authorization": authorization}) == 401


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", "https://localhost:9091", "http://localhost", "http://127.0.0.1:9091"]
)
def test_commands_come_from_the_dashboard_itself_alone(origin: str) -> None:
    assert DashboardAuth("127.0.0.1", TOKEN).rejection("POST", MAY | {"Origin": origin}) == 403


def test_no_token_matches_where_there_is_none() -> None:
    assert not DashboardAuth("127.0.0.1").has_token(MAY)
    assert not DashboardAuth("127.0.0.1").has_token({"Authorization": "Bearer None"})
