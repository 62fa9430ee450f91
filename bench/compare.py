"""Our proxy beside nginx, interleaved in one run; both with one worker on one core, load and backends on the other.

`compare.py [ROUNDS [SECONDS]]` prints medians: CPU microseconds per request (user and system), requests/s at 64
connections, for a 24-byte answer from four backends.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection
from statistics import median

BACKENDS = 4
BACKEND_PORT, NGINX_PORT, OUR_PORT = 27001, 27002, 27003
CONNECTIONS = 64
PROXY_CORE, LOAD_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")

MAIN = """
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  {servers}
}}
"""
BACKEND = 'server {{ {listen} location / {{ return 200 "hello, hello, hello, yes"; }} }}'
PROXY = """
  upstream backends {{ least_conn; {backends} keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://backends; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header Via "1.1 nginx";
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host; add_header X-Internal-Service $upstream_addr;
    }}
  }}
"""


@dataclass(frozen=True)
class Round:
    """What one proxy did in one round; CPU in microseconds per request."""

    user: float
    system: float
    per_second: float

    @property
    def cpu(self) -> float:
        return self.user + self.system


def main(rounds: int = 5, seconds: int = 5) -> None:
    """Warm both up, then take turns."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(nginx(folder, "backends", backends(), BACKEND_PORT, LOAD_CORE))
        proxies = {
            "nginx": (stack.enter_context(nginx(folder, "proxy", proxy(), NGINX_PORT, PROXY_CORE)), NGINX_PORT),
            "composectl": (stack.enter_context(ours()), OUR_PORT),
        }
        for _, port in proxies.values():
            load(port, 1)
        results: dict[str, list[Round]] = {name: [] for name in proxies}
        for _ in range(rounds):
            for name, (pid, port) in proxies.items():
                results[name].append(measure(pid, port, seconds))
    report(results)


def report(results: dict[str, list[Round]]) -> None:
    """Print the medians, and how they stand to nginx."""
    base = median(one.cpu for one in results["nginx"])
    print(f"{'proxy':<12}{'us/request':>12}{'user':>8}{'system':>8}{'range':>14}{'x nginx':>9}{'requests/s':>12}")
    for name, rounds in results.items():
        cpu = median(one.cpu for one in rounds)
        spread = f"{min(one.cpu for one in rounds):.1f}-{max(one.cpu for one in rounds):.1f}"
        user, system = median(one.user for one in rounds), median(one.system for one in rounds)
        speed = median(one.per_second for one in rounds)
        print(f"{name:<12}{cpu:>12.1f}{user:>8.1f}{system:>8.1f}{spread:>14}{cpu / base:>9.2f}{speed:>12,.0f}")


def measure(pid: int, port: int, seconds: int) -> Round:
    """One round of load, and the CPU that it took the process."""
    before = cpu_times(pid)
    requests, per_second = load(port, seconds)
    user, system = (
        (after - start) / TICKS * 1e6 / requests for start, after in zip(before, cpu_times(pid), strict=True)
    )
    return Round(user, system, per_second)


def load(port: int, seconds: int) -> tuple[int, float]:
    """Requests made, and requests/s. Raises where one failed."""
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    printed = subprocess.run([*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise SystemExit(f"requests failed:\n{printed}")
    requests = re.search(r"(\d+) requests in", printed)
    per_second = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    assert requests is not None
    assert per_second is not None
    return int(requests[1]), float(per_second[1])


def cpu_times(pid: int) -> tuple[int, int]:
    """User and system ticks so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


def backends() -> str:
    """The servers that answer."""
    return BACKEND.format(listen=" ".join(f"listen {host}:{BACKEND_PORT};" for host in hosts()))


def proxy() -> str:
    """nginx as a proxy that does what ours does."""
    servers = " ".join(f"server {host}:{BACKEND_PORT};" for host in hosts())
    return PROXY.format(port=NGINX_PORT, backends=servers)


def hosts() -> list[str]:
    """The backends' addresses, all on loopback."""
    return [f"127.0.0.{number}" for number in range(1, BACKENDS + 1)]


@contextmanager
def nginx(folder: Path, name: str, servers: str, port: int, core: int) -> Iterator[int]:
    """An nginx with these servers; the id of its worker."""
    config = folder / f"{name}.conf"
    config.write_text(MAIN.format(folder=folder, name=name, servers=servers))
    with started(["nginx", "-c", str(config)], port, core) as pid:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        yield int(children[0])


@contextmanager
def ours() -> Iterator[int]:
    """Our proxy; the id of its process."""
    serve = Path(__file__).with_name("serve.py")
    with started(
        [sys.executable, str(serve), str(OUR_PORT), str(BACKENDS), str(BACKEND_PORT)], OUR_PORT, PROXY_CORE
    ) as pid:
        yield pid


@contextmanager
def started(command: list[str], port: int, core: int) -> Iterator[int]:
    """A process on one core, listening on `port`."""
    process = subprocess.Popen(["taskset", "-c", str(core), *command])
    try:
        wait_for(port)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port: int) -> None:
    """Until somebody listens there."""
    deadline = time.monotonic() + 10
    while True:
        try:
            create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
