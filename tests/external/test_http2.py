"""nghttp2 and curl as the peers of both sides: h2load, nghttp, nghttpd, and curl by prior knowledge."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.external.conftest import said_by
from tests.support.proxy_process import Workspace

REQUESTS = 10_000
SIZE = 3_000_000
CURL = ("--silent", "--show-error", "--fail", "--http2-prior-knowledge", "--max-time", "30")


@pytest.fixture
def h2_port(place: Workspace, tmp_path: Path) -> Iterator[int]:
    """The port of a proxy over two servers of HTTP/2, which give back uploads, and files otherwise."""
    (tmp_path / "small").write_text("hello")
    (tmp_path / "large").write_bytes(bytes(SIZE))
    command = shutil.which("nghttpd") or "/usr/sbin/nghttpd"
    ports = [place.port() for _ in range(2)]
    words = ("--no-tls", "--address=127.0.0.1", "--echo-upload", "--trailer=x-sum: 1", f"--htdocs={tmp_path}")
    servers = [subprocess.Popen([command, *words, str(port)], stderr=subprocess.DEVNULL) for port in ports]
    try:
        proxy = place.starts("--listen", "127.0.0.1:0", *(f"--backend=127.0.0.1:{port}" for port in ports))
        assert place.comes_to("ready", "ready")
        yield proxy.port
        _, _, complaints = proxy.ends_by(signal.SIGTERM)
        assert not complaints
    finally:
        for server in servers:
            server.terminate()
            server.wait(30)


@pytest.mark.serial
@pytest.mark.parametrize("streams", [1, 30], ids=["one after the other", "thirty at once"])
async def test_f9_no_stream_fails_to_backends_of_http_1(port: int, streams: int) -> None:
    said = await said_by("h2load", "-n", str(REQUESTS), "-c", "20", "-m", str(streams), f"http://127.0.0.1:{port}/")
    assert f"{REQUESTS} done, {REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert f"status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx" in said


@pytest.mark.serial
@pytest.mark.parametrize("streams", [1, 30], ids=["one after the other", "thirty at once"])
async def test_f9_no_stream_fails_to_backends_of_http_2(h2_port: int, streams: int) -> None:
    url = f"http://127.0.0.1:{h2_port}/small"
    said = await said_by("h2load", "-n", str(REQUESTS), "-c", "20", "-m", str(streams), url)
    assert f"{REQUESTS} done, {REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert f"status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx" in said


async def test_e1_large_answers_of_http_1_are_whole(port: int) -> None:
    said = await said_by("h2load", "-n", "100", "-c", "4", "-m", "10", f"http://127.0.0.1:{port}/large")
    assert "100 succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert "(100000000) data" in said


async def test_e1_large_answers_of_http_2_are_whole(h2_port: int) -> None:
    said = await said_by("h2load", "-n", "100", "-c", "4", "-m", "10", f"http://127.0.0.1:{h2_port}/large")
    assert "100 succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert f"({100 * SIZE}) data" in said


async def test_j20_nghttp_uploads_with_trailers_and_an_expectation(h2_port: int, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(bytes(range(256)) * 2000)
    url = f"http://127.0.0.1:{h2_port}/echo"
    said = await said_by("nghttp", "--null-out", "--verbose", "--trailer=x-of: client", f"--data={body}", url)
    assert re.search(r":status: 200", said), said
    assert "x-sum: 1" in said
    assert "SETTINGS_MAX_CONCURRENT_STREAMS(0x03):256" in said
    assert sum(int(size) for size in re.findall(r"recv DATA frame <length=(\d+)", said)) == body.stat().st_size
    said = await said_by("nghttp", "--null-out", "--verbose", "--expect-continue", f"--data={body}", url)
    assert sum(int(size) for size in re.findall(r"recv DATA frame <length=(\d+)", said)) == body.stat().st_size


async def test_e1_curl_by_prior_knowledge_to_backends_of_http_1(port: int, tmp_path: Path) -> None:
    await ask_by_curl(f"http://127.0.0.1:{port}/", tmp_path)


async def test_e1_curl_by_prior_knowledge_to_backends_of_http_2(h2_port: int, tmp_path: Path) -> None:
    body = await ask_by_curl(f"http://127.0.0.1:{h2_port}/small", tmp_path)
    out, url = tmp_path / "out", f"http://127.0.0.1:{h2_port}/echo"
    await said_by("curl", *CURL, "--data-binary", f"@{body}", "--output", f"{out}", url)
    assert out.read_bytes() == body.read_bytes()


async def ask_by_curl(url: str, folder: Path) -> Path:
    """GET, HEAD and PUT; the file that was put."""
    body = folder / "body"
    body.write_bytes(bytes(range(256)) * 4000)
    written = ("--write-out", " %{http_version} %{response_code}")
    assert await said_by("curl", *CURL, *written, url) == "hello 2 200"
    assert (await said_by("curl", *CURL, "--head", url)).startswith("HTTP/2 200")
    put = await said_by("curl", *CURL, "--upload-file", f"{body}", "--output", "/dev/null", *written, url)
    assert put == " 2 200"
    return body


async def test_g11_curl_that_asks_for_h2c_gets_http_1(port: int) -> None:
    words = ("--silent", "--http2", "--max-time", "30", "--write-out", " %{http_version}")
    assert await said_by("curl", *words, f"http://127.0.0.1:{port}/") == "hello 1.1"
