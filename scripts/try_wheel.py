"""Shows that an installed composectl runs: `doctor` reports, and `proxy` answers one request from a backend.

Usage: try_wheel.py COMPOSECTL
"""

from __future__ import annotations

import http.server
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

BODY = b"served by a backend\n"
PATIENCE = 30.0  # seconds


def main(command: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        environ = {"PATH": str(command.parent), "HOME": folder, "XDG_RUNTIME_DIR": folder, "XDG_STATE_HOME": folder}
        show_doctor(command, environ)
        serve_one_request(command, environ)


def show_doctor(command: Path, environ: dict[str, str]) -> None:
    """Without Compose and an engine it fails, and says what is missing."""
    done = subprocess.run(
        [command, "doctor"], env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    sys.stdout.write(done.stdout)
    if done.returncode not in (0, 1) or "open files" not in done.stdout or "Traceback" in done.stderr:
        sys.exit(f"error: `composectl doctor` ended with {done.returncode}\n{done.stderr}")


def serve_one_request(command: Path, environ: dict[str, str]) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend) as backend:
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{backend.server_port}"
        argv = [command, "proxy", "--name", f"try-{os.getpid()}", "--listen", "127.0.0.1:0", "--backend", address]
        proxy = subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        overdue = threading.Timer(PATIENCE, proxy.kill)
        overdue.start()
        try:
            port = listening_port(proxy)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
                if answer.read() != BODY or not answer.headers["X-Internal-Service"]:
                    sys.exit(f"error: another answer than the backend's: {answer.headers}")
        finally:
            proxy.send_signal(signal.SIGINT)
            output, _ = proxy.communicate()
            overdue.cancel()
        if "Traceback" in output:
            sys.exit(f"error: the proxy failed\n{output}")
        backend.shutdown()
    sys.stdout.write(f"`composectl proxy` answered a request from {address}\n")


def listening_port(proxy: subprocess.Popen[str]) -> int:
    """The port that the proxy names on its first lines."""
    assert proxy.stdout is not None
    for line in proxy.stdout:
        if found := re.search(r"127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    sys.exit(f"error: the proxy ended with {proxy.wait()}")


class Backend(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
