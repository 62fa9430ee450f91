"""Backends of which each is a process of its own: they are killed and started while the proxies are measured."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.backends import ANSWER, Backends
from bench.cores import LOAD_CORE, on
from bench.ports import free_ports
from bench.process import comes_to_listen

_CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600;
  client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen {address} backlog=4096; location / {{ return 200 "{answer}"; }} }}
}}
"""


class Servers:
    """One nginx for each of `backends`, counted from 0; each keeps its address."""

    def __init__(self, count: int, folder: Path) -> None:
        self.backends = Backends(count, free_ports(1)[0], killable=True)
        self._folders = [folder / f"server-{number}" for number in range(count)]
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        for one, address in zip(self._folders, self.backends.addresses, strict=True):
            one.mkdir(exist_ok=True)
            one.chmod(0o777)  # nginx gives up being root
            text = _CONFIG.format(folder=one, address=address, answer=ANSWER.decode())
            (one / "nginx.conf").write_text(text)

    def __enter__(self) -> Servers:
        for number, host in enumerate(self.backends.hosts):
            self.start(number)
            if not comes_to_listen(self._running[number], self.backends.port, host):
                raise SystemExit("error: nginx does not listen")
        return self

    def __exit__(self, *_: object) -> None:
        for number in list(self._running):
            self.kill(number)

    def start(self, number: int) -> None:
        command = on(LOAD_CORE, ["nginx", "-c", str(self._folders[number] / "nginx.conf")])
        self._running[number] = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def kill(self, number: int) -> None:
        """Kill it as kill(1) does with -9: what it has open is reset."""
        process = self._running.pop(number)
        process.kill()
        process.wait()

    @contextmanager
    def killed_in_turn(self, every: float, away: float) -> Iterator[None]:
        """Meanwhile, one after the other is killed, and started again after `away` of `every` seconds."""
        over = threading.Event()

        def kill_in_turn() -> None:
            turn = 0
            while not over.wait(every - away):
                number = turn % self.backends.count
                self.kill(number)
                over.wait(away)
                self.start(number)
                turn += 1

        killing = threading.Thread(target=kill_in_turn)
        killing.start()
        try:
            yield
        finally:
            over.set()
            killing.join()
