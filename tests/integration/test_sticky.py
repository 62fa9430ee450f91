"""`--sticky`: a client stays with its backend, whatever becomes of composectl."""

from __future__ import annotations

import signal
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.http_client import Answer, ask
from tests.support.proxy_process import ProxyProcess, Workspace
from tests.support.wait import wait_until

HOST = "127.0.0.1"


class Browser:
    """Keeps the cookies of a host, whatever the port: RFC 6265, section 8.5."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def asks(self, proxy: ProxyProcess, **headers: str) -> Answer:
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        answer = ask(proxy.port, host=HOST, **(cookies if self.cookies else {}), **headers)
        assert answer.status == 200
        if given := answer.headers.get("Set-Cookie"):
            name, _, value = given.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def home(self, proxy: ProxyProcess) -> str | None:
        return self.asks(proxy).backend


def test_sessions_outlive_composectl(place: Workspace) -> None:
    backends = [place.backend() for _ in range(4)]
    listen = f"{HOST}:{place.port()}"
    words = ["--listen", listen, "--sticky", *(word for backend in backends for word in ("--backend", backend.address))]
    browsers = [Browser() for _ in range(8)]
    proxy = place.starts(*words)
    assert place.comes_to(*["ready"] * 4)
    homes = [browser.home(proxy) for browser in browsers]
    assert len(set(homes)) == 4
    proxy.ends_by(signal.SIGINT)

    proxy = place.starts(*words)
    assert place.comes_to(*["ready"] * 4)
    answers = [browser.asks(proxy) for browser in browsers]
    assert [answer.backend for answer in answers] == homes
    assert not any("Set-Cookie" in answer.headers for answer in answers)
    assert place.status()["totals"]["sessions_moved"] == 0
    proxy.ends_by(signal.SIGINT)


def test_sessions_whose_backend_is_taken_off_the_list_move(place: Workspace) -> None:
    gone, *others = (place.backend() for _ in range(3))
    browsers = [Browser() for _ in range(9)]
    words = ("--listen", f"{HOST}:{place.port()}", "--sticky")
    to_others = [word for backend in others for word in ("--backend", backend.address)]
    proxy = place.starts(*words, "--backend", gone.address, *to_others)
    assert place.comes_to(*["ready"] * 3)
    homes = [browser.home(proxy) for browser in browsers]
    proxy.ends_by(signal.SIGINT)
    proxy = place.starts(*words, *to_others)
    assert place.comes_to(*["ready"] * 2)
    after = [browser.home(proxy) for browser in browsers]
    assert [home for home, before in zip(after, homes, strict=True) if before != gone.address] == [
        before for before in homes if before != gone.address
    ]
    moved = place.status()["totals"]["sessions_moved"]
    assert moved == homes.count(gone.address) == 3
    assert f"{moved} sessions moved" in place.shows("status")
    assert "sticky by cookie" in place.shows("status")
    proxy.ends_by(signal.SIGINT)


def test_the_key_of_the_sessions_is_made_once_and_for_its_user_alone(place: Workspace) -> None:
    backend = place.backend()
    key = place.state / "composectl" / "session-key"
    with ThreadPoolExecutor() as pool:
        proxies = list(pool.map(lambda name: place.proxy(backend, words=("--sticky", "--name", name)), "ab"))
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32
    assert sorted(path.name for path in key.parent.iterdir()) == ["session-key"]
    browser = Browser()
    for proxy in proxies:
        wait_until(lambda proxy=proxy: ask(proxy.port, host=HOST).status == 200)  # type: ignore[misc]
        browser.home(proxy)
    assert len(browser.cookies) == 2  # one for each, or they would push out each other's
    assert not any("Set-Cookie" in browser.asks(proxy).headers for proxy in proxies)
    for proxy in proxies:
        proxy.ends_by(signal.SIGINT)


def test_a_key_that_cannot_be_used_is_told_before_anything_starts(place: Workspace) -> None:
    (place.state / "composectl").mkdir(mode=0o700)
    key = place.state / "composectl" / "session-key"
    key.write_bytes(b"short")
    done = place.composectl("proxy", "--listen", f"{HOST}:0", "--backend", f"{HOST}:1", "--sticky")
    assert done.returncode != 0
    assert done.stderr == (
        f"error: cannot use the session key {key}: it has 5 bytes, not 32\n\n"
        "hint: remove it: a new one is made, and sessions move\n"
    )


@pytest.mark.slow
def test_a_drained_backend_keeps_its_sessions_until_the_drain_timeout(place: Workspace) -> None:
    first, other = place.backend(), place.backend()
    proxy = place.proxy(first, other, words=("--sticky", "--drain-timeout", "8", "--name", "edge"))
    assert place.comes_to("ready", "ready")
    browser = Browser()
    home = browser.home(proxy)
    number = 1 if home == first.address else 2
    with ThreadPoolExecutor() as pool:
        drained = pool.submit(place.composectl, "-p", "edge", "drain", "proxy", str(number))
        assert wait_until(lambda: "maintenance" in place.phases())
        assert browser.home(proxy) == home
        assert {ask(proxy.port, host=HOST).backend for _ in range(4)} == {first.address, other.address} - {home}
        assert "its sessions stay for 8 s" in drained.result().stderr
    assert browser.home(proxy) != home
    assert place.status()["totals"]["sessions_moved"] == 1
    proxy.ends_by(signal.SIGINT)


def test_the_value_of_a_header_chooses_the_backend(place: Workspace) -> None:
    backends = [place.backend() for _ in range(3)]
    proxy = place.proxy(*backends, words=("--sticky", "header:X-User"))
    assert place.comes_to(*["ready"] * 3)
    homes = {user: ask(proxy.port, host=HOST, X_User=user).backend for user in map(str, range(30))}
    assert len(set(homes.values())) == 3
    assert {user: ask(proxy.port, host=HOST, X_User=user).backend for user in homes} == homes
    assert "Set-Cookie" not in ask(proxy.port, host=HOST, X_User="1").headers
    proxy.ends_by(signal.SIGINT)
