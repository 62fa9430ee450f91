"""`--workers 2`: two processes that share the listeners are one proxy to clients, and to all that looks at it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from composectl.control.client import running_daemons
from tests.support.cli_error import cli_error_in
from tests.support.http_client import TIMEOUT, ask
from tests.support.proxy_process import ProxyProcess, Workspace
from tests.support.threaded_backend import PATIENCE
from tests.support.wait import is_seen, wait_until

HOST = "127.0.0.1"
CLIENTS = 24  # by which each of two workers is met, but for one time in ten million
TWO = ("--workers", "2")


def workers_of(place: Workspace) -> list[dict[str, Any]]:
    (daemon,) = running_daemons(place.runtime / "composectl")
    found = daemon.status()["workers"]
    assert isinstance(found, list)
    return found


def pids_of(place: Workspace) -> list[int]:
    return [worker["pid"] for worker in workers_of(place)]


def started(place: Workspace, *words: str, backends: int = 2) -> ProxyProcess:
    proxy = place.proxy(*(place.backend() for _ in range(backends)), words=(*TWO, *words))
    assert place.comes_to(*["ready"] * backends)
    return proxy


def worker_of(client: HTTPConnection) -> int:
    """The process that has the other end of this client's connection."""
    assert client.sock is not None
    name = f"socket:[{inode_at_other_end(client.sock)}]"
    for process in Path("/proc").glob("[0-9]*"):
        if name in descriptors_of(int(process.name)):
            return int(process.name)
    raise AssertionError("no process has the other end")


def inode_at_other_end(sock: socket.socket) -> str:
    """Of a connection at loopback."""
    ports = [sock.getpeername()[1], sock.getsockname()[1]]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if [int(address.partition(":")[2], 16) for address in fields[1:3]] == ports:
            return fields[9]
    raise AssertionError("there is no other end")


def descriptors_of(pid: int) -> list[str]:
    with suppress(OSError):  # it has ended meanwhile
        return [os.readlink(descriptor) for descriptor in Path(f"/proc/{pid}/fd").iterdir()]
    return []


def connected_to_each(proxy: ProxyProcess, pids: list[int], stack: ExitStack) -> dict[int, HTTPConnection]:
    """A client of each worker, which has asked once."""
    clients: dict[int, HTTPConnection] = {}
    while set(clients) != set(pids):
        client = HTTPConnection(HOST, proxy.port, timeout=TIMEOUT)
        client.connect()
        stack.callback(client.close)
        client.request("GET", "/")
        assert client.getresponse().read()
        clients.setdefault(worker_of(client), client)
    return clients


def test_a_thousand_requests_are_a_thousand(place: Workspace) -> None:
    proxy = started(place, "--metrics", f"{HOST}:0")
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: ask(proxy.port, host=HOST), range(1000)))
    assert {answer.status for answer in answers} == {200}
    status = place.status()
    assert status["totals"]["requests"] == status["totals"]["responses"]["2xx"] == 1000
    assert sum(backend["requests"] for backend in status["backends"]) == 1000
    assert sum(sum(backend["histogram"]) for backend in status["backends"]) == 1000
    assert status["totals"]["in_flight"] == 0
    assert status["ports"][0]["recognised"] == {"http/1.1": 1000}
    (daemon,) = running_daemons(place.runtime / "composectl")
    metrics = daemon.info.metrics.removeprefix("http://")
    scraped = ask(int(metrics.removesuffix("/metrics").rpartition(":")[2]), "/metrics", host=HOST).text
    assert re.findall(r"^composectl_service_requests_total\{.*\} (\S+)$", scraped, re.MULTILINE) == ["1000.0"]
    assert re.findall(r"^composectl_workers\{.*\} (\S+)$", scraped, re.MULTILINE) == ["2.0"]
    proxy.ends_by(signal.SIGINT)


def test_a_worker_that_is_killed_is_replaced_and_only_its_clients_notice(place: Workspace) -> None:
    proxy = started(place)
    before = pids_of(place)
    with ExitStack() as stack:
        clients = connected_to_each(proxy, before, stack)
        os.kill(before[0], signal.SIGKILL)
        assert is_seen(lambda: before[0] not in pids_of(place) and 0 not in pids_of(place), within=1)
        survivor = clients[before[1]]
        survivor.request("GET", "/")
        assert survivor.getresponse().status == 200
    assert {ask(proxy.port, host=HOST).status for _ in range(50)} == {200}
    first, other = workers_of(place)
    assert (first["restarts"], other["restarts"]) == (1, 0)
    assert first["last_end"] == f"process {before[0]} was ended by SIGKILL"
    assert place.status()["totals"]["requests"] >= 51
    told = f"! 1 of 2 workers replaced once: process {before[0]} was ended by SIGKILL\n"
    assert told in place.composectl("status").stdout
    assert f"worker 1: process {before[0]} was ended by SIGKILL; another" in proxy.complaint_with("worker 1")
    proxy.ends_by(signal.SIGINT)


def test_what_a_killed_worker_had_in_flight_has_failed(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=TWO)
    assert place.comes_to("ready")
    client = HTTPConnection(HOST, proxy.port, timeout=TIMEOUT)
    client.request("GET", "/held")
    assert backend.asked.wait(PATIENCE)
    assert wait_until(lambda: place.status()["totals"]["in_flight"] == 1)
    os.kill(worker_of(client), signal.SIGKILL)
    assert wait_until(lambda: place.status()["totals"]["failed_for"] == {"worker-ended": 1})
    assert place.status()["totals"]["in_flight"] == 0
    client.close()
    backend.release.set()
    proxy.ends_by(signal.SIGINT)


def test_what_a_killed_worker_had_in_flight_leaves_its_place_to_others(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=(*TWO, "--max-in-flight", "1"))
    assert place.comes_to("ready")
    client = HTTPConnection(HOST, proxy.port, timeout=TIMEOUT)
    client.request("GET", "/held")
    assert backend.asked.wait(PATIENCE)
    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = [clients.submit(ask, proxy.port, "/", HOST) for _ in range(CLIENTS)]
        assert wait_until(lambda: place.status()["totals"]["queued"] >= 1)
        assert not any(each.done() for each in asked)
        os.kill(worker_of(client), signal.SIGKILL)
        answers = [each.exception() or each.result() for each in asked]
    assert any(answer.status == 200 for answer in answers if not isinstance(answer, BaseException))
    assert {ask(proxy.port, host=HOST).status for _ in range(20)} == {200}
    client.close()
    backend.release.set()
    proxy.ends_by(signal.SIGINT)


@pytest.mark.slow
def test_one_that_ends_again_and_again_is_replaced_later_each_time(place: Workspace) -> None:
    proxy = started(place)
    moments = []
    for restarts in range(1, 6):
        moments.append(workers_of(place)[0]["since"])
        os.kill(pids_of(place)[0], signal.SIGKILL)
        assert wait_until(lambda: workers_of(place)[0]["restarts"] == restarts and pids_of(place)[0])  # noqa: B023
    assert len(set(moments)) == 5
    assert workers_of(place)[1]["restarts"] == 0
    proxy.ends_by(signal.SIGINT)


def test_a_drain_waits_for_what_is_in_flight_in_any_worker(place: Workspace) -> None:
    backend, other = place.backend(), place.backend()
    proxy = place.proxy(backend, other, words=(*TWO, "--policy", "round-robin"))
    assert place.comes_to("ready", "ready")
    with ThreadPoolExecutor(8) as clients:
        held = [clients.submit(ask, proxy.port, "/held", HOST) for _ in range(4)]
        assert backend.asked.wait(PATIENCE)
        assert wait_until(lambda: place.status()["totals"]["in_flight"] == 4)
        number = place.status()["backends"][0]["number"]
        drain = clients.submit(place.composectl, "drain", "proxy", str(number))
        assert wait_until(lambda: place.phases()[0] == "maintenance")
        assert not drain.done()
        backend.release.set()
        other.release.set()
        assert "nothing in flight" in drain.result(PATIENCE).stderr
        assert {each.result(PATIENCE).status for each in held} == {200}
    assert {ask(proxy.port, host=HOST).backend for _ in range(20)} == {other.address}
    proxy.ends_by(signal.SIGINT)


def test_sigterm_lets_both_answer_what_they_have(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=TWO)
    assert place.comes_to("ready")
    pids = pids_of(place)
    with ThreadPoolExecutor(8) as clients:
        held = [clients.submit(ask, proxy.port, "/held", HOST) for _ in range(4)]
        assert wait_until(lambda: place.status()["totals"]["in_flight"] == 4)
        proxy.process.send_signal(signal.SIGTERM)
        assert "draining: 4 requests in flight" in proxy.complaint_with("draining")
        assert wait_until(lambda: refuses(proxy.port))
        backend.release.set()
        assert {each.result(PATIENCE).status for each in held} == {200}
    assert proxy.ends_by()[0] == 128 + signal.SIGTERM
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def refuses(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_workers_end_with_a_daemon_that_is_killed(place: Workspace) -> None:
    proxy = started(place)
    pids = pids_of(place)
    proxy.process.kill()
    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    for path in place.runtime.rglob("*.*"):
        path.unlink()


def test_lines_of_the_access_log_are_whole(place: Workspace) -> None:
    log = place.folder / "access.log"
    proxy = started(place, "--access-log", str(log), "--access-log-format", "json")
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda number: ask(proxy.port, f"/{number}/{'x' * 6000}", HOST), range(400)))
    moved = log.rename(place.folder / "access.log.1")
    proxy.process.send_signal(signal.SIGUSR1)
    assert wait_until(log.exists)
    assert ask(proxy.port, "/last", HOST).status == 200
    proxy.ends_by(signal.SIGINT)
    paths = [json.loads(line)["path"] for line in moved.read_text().splitlines()]
    assert sorted(int(path.split("/")[1]) for path in paths) == list(range(400))
    assert [json.loads(line)["path"] for line in log.read_text().splitlines()] == ["/last"]


def test_the_queue_holds_so_many_in_all_workers(place: Workspace) -> None:
    backend = place.backend()
    backend.close()
    proxy = place.proxy(backend, words=(*TWO, "--queue-size", "4"))
    with ThreadPoolExecutor(20) as clients:
        queued = []
        for number in range(1, 5):  # of two that come at once, both may take the last place
            queued.append(clients.submit(ask, proxy.port, "/", HOST))
            assert wait_until(lambda number=number: place.status()["totals"]["queued"] == number)  # type: ignore[misc]
        refused = [clients.submit(ask, proxy.port, "/", HOST) for _ in range(16)]
        assert {each.result(PATIENCE).status for each in refused} == {503}
        place.backend(port=backend.port)
        assert {each.result(PATIENCE).status for each in queued} == {200}
    proxy.ends_by(signal.SIGINT)


def test_the_connection_limit_is_that_of_all_workers(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=(*TWO, "--max-connections", "6"))
    assert place.comes_to("ready")
    with ExitStack() as stack:
        for _ in range(30):
            client = stack.enter_context(socket.create_connection((HOST, proxy.port)))
            client.sendall(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wait_until(lambda: place.status()["totals"]["in_flight"] >= 6)
        assert not is_seen(lambda: place.status()["totals"]["in_flight"] > 10, within=1)
    backend.release.set()
    assert ask(proxy.port, host=HOST).status == 200
    proxy.ends_by(signal.SIGINT)


def test_sessions_and_sources_have_one_backend_in_all_workers(place: Workspace) -> None:
    for words in (("--sticky", "header:X-User"), ("--policy", "source")):
        proxy = started(place, *words, backends=4)
        for user in ("ada", "grace", "edsger"):
            assert len({ask(proxy.port, host=HOST, X_User=user).backend for _ in range(20)}) == 1
        proxy.ends_by(signal.SIGINT)


def test_another_process_does_not_get_the_port(place: Workspace) -> None:
    proxy = started(place)
    backend = place.backend()
    other = place.composectl("proxy", "--listen", f"{HOST}:{proxy.port}", "--backend", backend.address, *TWO)
    assert f"cannot listen on {HOST}:{proxy.port}: address already in use" in other.stderr
    proxy.ends_by(signal.SIGINT)


def test_without_the_process_that_starts_workers_it_ends(place: Workspace) -> None:
    proxy = started(place)
    stat = Path(f"/proc/{pids_of(place)[0]}/stat").read_text()
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
    exit_code, _, complaints = proxy.ends_by()
    assert exit_code == 1
    assert "which starts the workers of composectl, has ended" in complaints


def test_what_one_process_counts_is_refused(place: Workspace) -> None:
    words = ("--listen", f"{HOST}:0", "--backend", f"{HOST}:9001", "--max-in-flight-per-client", "1", *TWO)
    error = cli_error_in(place.composectl("proxy", *words))
    assert error.exit_code == 2
    assert error.message == "`--workers` cannot be combined with `--max-in-flight-per-client`"
    assert place.leftovers() == []


@pytest.mark.serial
def test_a_further_worker_takes_25_mebibytes_at_most(place: Workspace) -> None:
    """Of memory that is its own, and its part of what it shares: proc(5), smaps_rollup."""
    took = []
    for workers in (2, 3):
        proxy = place.proxy(place.backend(), words=("--workers", str(workers)))
        assert place.comes_to("ready")
        with ThreadPoolExecutor(8) as clients:
            assert {answer.status for answer in clients.map(lambda _: ask(proxy.port, host=HOST), range(400))} == {200}  # noqa: B023
        took.append(sum(map(proportional_kib, [proxy.process.pid, *pids_of(place)])))
        proxy.ends_by(signal.SIGINT)
    assert took[1] - took[0] <= 25 * 1024


def proportional_kib(pid: int) -> int:
    (line,) = (line for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
    return int(line.split()[1])
