"""Pebble: a certificate authority that speaks ACME, with a DNS in which each name leads to this machine."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import urllib.request
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.tls_peers import TlsAuthority
from tests.support.wait import wait_until

HOST = "127.0.0.1"


class Pebble:
    """Looks for challenges at these ports of this machine; `ca` is the file by which its own HTTPS is trusted.

    `environ` changes how it behaves: see its manual.
    """

    def __init__(self, folder: Path, ports: list[int], http: int, https: int, **environ: str) -> None:
        self._folder = folder
        self._listen, self._management, self._dns, self._dns_management = ports
        authority = TlsAuthority(folder)
        certificate, key = authority.issue("pebble", HOST, "localhost")
        self.ca = authority.ca
        self._trusting = authority.client()
        self.directory = f"https://{HOST}:{self._listen}/dir"
        (folder / "pebble.json").write_text(
            json.dumps(
                {
                    "pebble": {
                        "listenAddress": f"{HOST}:{self._listen}",
                        "managementListenAddress": f"{HOST}:{self._management}",
                        "certificate": f"{certificate}",
                        "privateKey": f"{key}",
                        "httpPort": http,
                        "tlsPort": https,
                    }
                }
            )
        )
        off = [f"-{name}=" for name in ("http01", "https01", "tlsalpn01")]
        names = (f"-dns01={HOST}:{self._dns}", f"-management={HOST}:{self._dns_management}", "-defaultIPv6=")
        self._processes = [self._start("pebble-challtestsrv", *off, *names)]
        self.start(**environ)

    def start(self, **environ: str) -> None:
        """Start the authority, or start it again, with another root and without accounts."""
        words = ("-config", f"{self._folder}/pebble.json", "-dnsserver", f"{HOST}:{self._dns}")
        self._authority = self._start("pebble", *words, PEBBLE_VA_NOSLEEP="1", **environ)
        self._processes.append(self._authority)
        assert wait_until(self._answers), (self._folder / "pebble.log").read_text()

    def stop(self) -> None:
        """Stop the authority alone."""
        self._authority.kill()
        self._authority.wait()

    def trust_root(self) -> ssl.SSLContext:
        """A client that trusts what the authority issues."""
        context = ssl.create_default_context(cadata=self._get("roots/0").decode())
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    # Private

    def _start(self, tool: str, *words: str, **environ: str) -> subprocess.Popen[bytes]:
        with open(self._folder / f"{tool}.log", "ab") as log:
            command = [str(ROOT / ".tools" / tool), *words]
            return subprocess.Popen(command, env={**os.environ, **environ}, stdout=log, stderr=subprocess.STDOUT)

    def _answers(self) -> bool:
        try:
            return bool(self._get("roots/0"))
        except OSError:
            return False

    def _get(self, path: str) -> bytes:
        address = f"https://{HOST}:{self._management}/{path}"
        with urllib.request.urlopen(address, context=self._trusting, timeout=20) as answer:
            return bytes(answer.read())
