"""Which requests the dashboard answers."""

from __future__ import annotations

import pytest

from composectl.control.dashboard.auth import DashboardAuth

TOKEN = "a-token"
MAY = {"Host": "localhost:9091", "Origin": "http://localhost:9091", "Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("host", ["localhost:9091", "127.0.0.1:9091", "[::1]:9091", "LOCALHOST", "shop.example:80"])
def test_our_own_names_are_answered_for(host: str) -> None:
    assert DashboardAuth("shop.example").rejection("GET", "/v1/about", {"Host": host}) is None


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:9091", "localhost.evil.example", "shop.example.", "[::1"]
)
def test_any_other_name_is_not(host: str) -> None:
    assert DashboardAuth("shop.example", TOKEN).rejection("GET", "/v1/about", MAY | {"Host": host}) == 421
    assert DashboardAuth("shop.example", TOKEN).rejection("POST", "/v1/drain", MAY | {"Host": host}) == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_without_a_token_there_is_only_reading(method: str) -> None:
    assert DashboardAuth("127.0.0.1").rejection(method, "/v1/drain", MAY) == 405
    assert DashboardAuth("127.0.0.1").rejection("HEAD", "/", MAY) is None


def test_the_token_allows_commands() -> None:
    assert DashboardAuth("127.0.0.1", TOKEN).rejection("POST", "/v1/drain", MAY) is None
    assert DashboardAuth("127.0.0.1", TOKEN).has_token(MAY)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer another", f"bearer {TOKEN}", TOKEN, f"Bearer {TOKEN} ", "Bearer é"]
)
def test_another_token_does_not(authorization: str) -> None:
    assert (
        DashboardAuth("127.0.0.1", TOKEN).rejection("POST", "/v1/drain", MAY | {"Authorization": authorization}) == 401
    )


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", "https://localhost:9091", "http://localhost", "http://127.0.0.1:9091"]
)
def test_commands_come_from_the_dashboard_itself_alone(origin: str) -> None:
    assert DashboardAuth("127.0.0.1", TOKEN).rejection("POST", "/v1/drain", MAY | {"Origin": origin}) == 403


FOREIGN = {
    "another site": {"Origin": "http://evil.example"},
    "another port": {"Origin": "http://localhost:3000"},
    "a page without an origin": {"Origin": "null"},
    "an image of another site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "an image of another port": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
}


@pytest.mark.parametrize("path", ["/", "/main.js", "/v1/events", "/v1/about", "/v1/history"])
@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN.keys())
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_pages_of_others_request_nothing(method: str, path: str, foreign: dict[str, str]) -> None:
    headers = {"Host": "localhost:9091", "Authorization": f"Bearer {TOKEN}", **foreign}
    assert DashboardAuth("127.0.0.1", TOKEN).rejection(method, path, headers) == 403


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"Origin": "http://localhost:9091"},
        {"Origin": "HTTP://LOCALHOST:9091", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    ],
    ids=["a program", "its origin", "in capitals", "typed"],
)
def test_programs_and_our_own_page_may_read(own: dict[str, str]) -> None:
    for path in ("/", "/v1/events", "/v1/history"):
        assert DashboardAuth("127.0.0.1").rejection("GET", path, {"Host": "localhost:9091", **own}) is None


@pytest.mark.parametrize(("path", "status"), [("/", None), ("/main.js", None), ("/v1/events", 403), ("/v1/about", 403)])
def test_a_link_of_another_site_leads_to_the_page_and_not_to_the_api(path: str, status: int | None) -> None:
    link = {"Host": "localhost:9091", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert DashboardAuth("127.0.0.1").rejection("GET", path, link) == status


def test_no_token_matches_where_there_is_none() -> None:
    assert not DashboardAuth("127.0.0.1").has_token(MAY)
    assert not DashboardAuth("127.0.0.1").has_token({"Authorization": "Bearer None"})
