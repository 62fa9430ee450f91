"""A backend: a real HTTP server on loopback, in threads of this process."""

from __future__ import annotations

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.backends import BACKLOG
from tests.support.kept_port import keep_port

PATIENCE = 60.0


class ThreadedBackend:
    """Answers each GET with its address, which it keeps; `/held` once `release` is set; `asked` tells that it has come.

    `/well` is answered badly while `well` is not set, and `refused` counts how often. `/only-for/HOST` is answered
    badly where another `Host` is asked for. With `tls`, it speaks nothing else.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.asked = threading.Event()
        self.release = threading.Event()
        self.well = threading.Event()
        self.well.set()
        self.refused = threading.Semaphore(0)
        self._kept = keep_port(host, port)
        self.port = int(self._kept.getsockname()[1])
        self._host = host
        self._tls = tls
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.listen()

    def listen(self) -> None:
        """Listen, or listen again."""
        self._server = _Server((self._host, self.port), self)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def give_up(self) -> None:
        """Keep the port no longer."""
        self._kept.close()


# Private


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = BACKLOG

    def __init__(self, address: tuple[str, int], backend: ThreadedBackend) -> None:
        self.backend = backend
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        backend = self.server.backend
        if self.path == "/held":
            backend.asked.set()
            assert backend.release.wait(PATIENCE)
        unwell = self.path == "/well" and not backend.well.is_set()
        if unwell:
            backend.refused.release()
        elsewhere = self.path.startswith("/only-for/") and self.path != f"/only-for/{self.headers['Host']}"
        body = backend.address.encode()
        self.send_response(503 if unwell else 400 if elsewhere else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
