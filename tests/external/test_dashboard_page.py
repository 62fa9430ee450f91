"""What the page shows."""

from __future__ import annotations

import signal

import pytest

from composectl.balance.waiting import Waiting
from tests.support.chromium import Chromium, Page
from tests.support.dashboard_client import DashboardClient
from tests.support.fake_dashboard import FakeDashboard
from tests.support.http_client import burst
from tests.support.proxy_process import Workspace
from tests.support.wait import wait_until

ROWS = ".backends tbody tr"
EVIL = "<img src=x onerror=\"document.title='evil'\"><script>document.title='evil'</script>\u202e"


def test_the_table_fills_and_its_counts_rise(place: Workspace, chromium: Chromium) -> None:
    site, page = DashboardClient(place), chromium.page()
    page.visit(site.url)
    assert page.comes_to(f"document.querySelectorAll('{ROWS}').length === 2")
    assert page.comes_to("document.querySelector('.ready').innerText === '2/2 ready'")
    assert page.text("#project") == site.proxy.name
    burst(site.proxy.port, 40, 4)
    assert wait_until(lambda: sum(numbers(page, 6)) == 40)
    burst(site.proxy.port, 20, 4)
    assert wait_until(lambda: sum(numbers(page, 6)) == 60)
    assert "2xx 60 (100%)" in page.text(".responses")
    site.ends()


def test_a_page_that_is_opened_later_shows_the_minutes_before(chromium: Chromium) -> None:
    with FakeDashboard().shown() as url:
        page = chromium.page()
        page.visit(url)
        assert page.comes_to("document.querySelectorAll('.area').length === 3")
        assert page.value("document.querySelector('.grid').textContent").endswith("90 s agonow")
        assert page.value("[...document.querySelectorAll('.area')].every((one) => one.getAttribute('d').length > 500)")


def test_each_chart_and_strip_has_its_text(chromium: Chromium) -> None:
    with FakeDashboard().shown() as url:
        page = chromium.page()
        page.visit(url)
        assert page.comes_to("document.querySelectorAll('.area').length === 3")
        requests, latency = page.value("[...document.querySelectorAll('.chart title')].map((one) => one.textContent)")
        assert requests.startswith("Requests per second, now by backend: 1: ")
        assert latency.startswith("p95 latency, now by backend: 1: ")
        strips = page.value("[...document.querySelectorAll('.strip')].map((one) => one.getAttribute('aria-label'))")
        assert strips == ["ready 1m 30s", "ready 1m 30s", "unhealthy 1m 30s"]


def test_the_changes_come_newest_first(place: Workspace, chromium: Chromium) -> None:
    site, page = DashboardClient(place, "--dashboard-control"), chromium.page()
    page.visit(site.url)
    assert page.comes_to("document.querySelectorAll('#changes tr').length === 2")
    site.asks("/v1/drain", "POST", {"service": "proxy", "number": 2})
    assert page.comes_to("document.querySelector('#changes .to').innerText === 'maintenance'")
    assert page.texts("#changes .to") == ["maintenance", "ready", "ready"]
    assert page.texts("#changes .reason")[0] == "drained by hand"
    site.ends()


def test_names_and_reasons_are_text_whatever_they_are(chromium: Chromium) -> None:
    with FakeDashboard(name=EVIL, reason=EVIL).shown() as url:
        page = chromium.page()
        page.visit(url)
        assert page.comes_to(f"document.querySelectorAll('{ROWS}').length === 3")
        assert page.value("document.querySelector('.name').textContent") == f"{EVIL}-1"
        assert page.value("document.querySelector('#changes .reason').textContent") == EVIL
        assert page.value("document.querySelectorAll('main img, main script').length") == 0
        assert page.value("document.title") == "shop · composectl"


def test_where_there_are_no_requests_there_are_connections_and_bytes(chromium: Chromium) -> None:
    shop = FakeDashboard(protocol="tcp")
    first = shop.watched.backend(1)
    first.connections, first.connections_total, first.bytes_sent = 2, 1_500, 12_345
    with shop.shown() as url:
        page = chromium.page()
        page.visit(url)
        assert page.comes_to(f"document.querySelectorAll('{ROWS}').length === 3")
        headings = ["open", "connections", "share", "received/s", "sent/s", "errors"]
        assert page.texts(".backends thead .number")[1:] == headings
        assert page.texts(f"{ROWS}:first-child td.number")[1:3] == ["2", "1,500"]
        assert "127.0.0.1:9090 tcp" in page.text(".meta")
        assert "12.3 kB" in page.text(".figures")
        assert page.texts("figcaption") == ["Connections per second"]
        assert page.value("document.querySelector('.responses').hidden")


def test_the_port_of_a_redirect_stands_beside_the_others(chromium: Chromium) -> None:
    shop = FakeDashboard(protocol="https")
    shop.redirect_http = ("0.0.0.0:8080", "[::]:8080")
    with shop.shown() as url:
        page = chromium.page()
        page.visit(url)
        assert page.comes_to(f"document.querySelectorAll('{ROWS}').length === 3")
        assert "127.0.0.1:9090 https port 8080 redirects to https · least-request" in " ".join(
            page.text(".meta").split()
        )


def test_notices_and_reasons_come_and_go(chromium: Chromium) -> None:
    shop = FakeDashboard()
    with shop.shown() as url:
        page = chromium.page()
        page.visit(url)
        assert page.comes_to(f"document.querySelectorAll('{ROWS}').length === 3")
        assert page.value("[...document.querySelectorAll('.reasons')].every((one) => one.hidden)")
        shop.notices = (EVIL, "clients speak TLS")
        shop.waiting = tuple(
            Waiting("echo", number, str(number), f"echo-{number}", "port 80", "Connection refused", "start it")
            for number in (3, 4)
        )
        shop.others = (Waiting("db", 1, "5", "db-1", "", "", state="exited", exit_code=1),)
        assert page.comes_to("document.querySelectorAll('.notices li').length === 2")
        assert page.value("document.querySelector('.notices li').textContent") == EVIL
        assert page.texts(".service .waiting li") == ["echo-3 and 1 more: port 80: Connection refused\nTo do: start it"]
        assert page.texts("#others li") == ["db-1: exited: exit code 1"]
        assert page.comes_to("document.getElementById('said').textContent.includes('clients speak TLS')")
        shop.notices = shop.waiting = shop.others = ()
        assert page.comes_to("[...document.querySelectorAll('.reasons')].every((one) => one.hidden)")


def test_an_engine_that_is_gone_is_told_of(chromium: Chromium) -> None:
    shop = FakeDashboard()
    with shop.shown() as url:
        page = chromium.page()
        page.visit(url)
        assert page.comes_to("document.getElementById('state-word').innerText === 'live'")
        assert page.text("#stale") == ""
        shop.stale_since = "2026-11-25T10:00:00.000+00:00"
        assert page.comes_to("document.getElementById('stale').innerText.includes('Docker Engine cannot be reached')")
        shop.stale_since = None
        assert page.comes_to("document.getElementById('stale').hidden")


@pytest.mark.parametrize(
    ("number", "word", "notice"),
    [
        (signal.SIGKILL, "connection lost", "The connection to composectl is lost"),
        (signal.SIGINT, "ended", "composectl has ended"),
    ],
)
def test_the_end_is_shown_and_so_is_what_comes_after_it(
    place: Workspace, chromium: Chromium, number: int, word: str, notice: str
) -> None:
    site, page = DashboardClient(place, "--name", "edge"), chromium.page()
    page.visit(site.url)
    assert page.comes_to("document.getElementById('state-word').innerText === 'live'")
    site.proxy.ends_by(number)
    assert page.comes_to(f"document.getElementById('state-word').innerText === '{word}'")
    assert notice in page.text("#notice")
    assert notice in page.value("document.getElementById('said').textContent")
    again = DashboardClient(place, "--name", "edge", port=site.port)
    assert page.comes_to("document.getElementById('state-word').innerText === 'live'")
    assert page.text("#notice") == ""
    assert page.text("#project") == again.proxy.name
    again.ends()
    page.forgive("net::ERR_CONNECTION_REFUSED", "net::ERR_INCOMPLETE_CHUNKED_ENCODING")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 800, 1280, 2200])
def test_no_width_needs_to_be_scrolled(chromium: Chromium, width: int, dark: bool) -> None:
    with FakeDashboard(
        name="a-project-with-a-name-that-goes-on-and-on-for-longer-than-a-phone-is-wide-echo"
    ).shown() as url:
        page = chromium.page(width=width, dark=dark)
        page.visit(f"{url}#token=the-token-of-this-test")
        assert page.comes_to(f"document.querySelectorAll('{ROWS}').length === 3")
        assert page.value("document.documentElement.scrollWidth") == width
        light = page.value("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0] > 128")
        assert light is not dark


def numbers(page: Page, column: int) -> list[int]:
    """A column of figures."""
    return [int(text.replace(",", "")) for text in page.texts(f"{ROWS} > :nth-child({column})")]
