"""What stands between a client of ACME and its authority, and changes what one of its answers says."""

from __future__ import annotations

import ssl
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP = ("connection", "transfer-encoding", "content-length")


class AcmeBetween:
    """Passes on what it is asked to `authority`, a URL without a path, but has `body` for a `path` that begins so."""

    def __init__(self, authority: str, port: int, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        self.path, self.body = "/nowhere", b""
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler(authority, client))
        self._server.socket = server.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # Private

    def _handler(self, authority: str, client: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
        between = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
                fields = dict(self.headers.items())  # the host among them, by which the authority names its resources
                request = urllib.request.Request(f"{authority}{self.path}", body, fields, method=self.command)
                try:
                    answer = urllib.request.urlopen(request, context=client, timeout=60)
                except urllib.error.HTTPError as error:
                    answer = error
                with answer:
                    status, headers, said = answer.status, answer.headers.items(), answer.read()
                if self.path.startswith(between.path):
                    said = between.body
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in _HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_POST = do_HEAD = do_GET  # noqa: N815 - as the base calls them

            def log_message(self, *_: object) -> None:
                pass

        return Handler
