"""`--tls internal`: the authority of this user vouches for this machine, and programs can be told to trust it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.cli_error import cli_error_in
from tests.support.command_line import command_line
from tests.support.proxy_process import ProxyProcess, Workspace

HOST = "127.0.0.1"
NAME = "shop.test"
STORE = "/usr/local/share/ca-certificates"
# In a mount namespace, so that the store of this machine stays as it is
TRUSTING = """
cp -a /etc/ssl/certs {folder}/certs
mount --bind {folder}/certs /etc/ssl/certs
mount -t tmpfs none {store}
{proxy} > {folder}/out &
trap "kill $!; wait" EXIT
until grep -q behind {folder}/out; do sleep 0.05; done
check() {{
    curl --silent --cacert /etc/ssl/certs/ca-certificates.crt https://localhost:{port}/ > /dev/null && echo 0 || echo $?
}}
check
{trust}
check
{untrust}
check
"""
UNKNOWN_ISSUER = "60"  # curl's exit code


@pytest.fixture
def redirect(place: Workspace) -> int:
    """The port for plain HTTP."""
    return place.port()


@pytest.fixture
def proxy(place: Workspace, redirect: int) -> ProxyProcess:
    words = ("--tls", "internal", "--domain", NAME, "--redirect-http", f"{redirect}", "--hsts", "60")
    proxy = place.proxy(place.backend(), words=words)
    assert place.comes_to("ready")
    return proxy


@pytest.fixture
def root(place: Workspace, proxy: ProxyProcess) -> Path:
    """The certificate of the authority."""
    return place.state / "composectl" / "certificates" / "authority.crt"


def curl(url: str, *ports: int, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Ask for the page at `url`, whose host is this machine; the version of HTTP and the status come behind it."""
    name = url.partition("//")[2].partition(":")[0]
    command = ["curl", "--silent", "--show-error", "--max-time", "30", "--write-out", " %{http_version} %{http_code}"]
    command += [word for port in ports for word in ("--resolve", f"{name}:{port}:{HOST}")]
    return subprocess.run([*command, *options, url], capture_output=True, text=True, check=False)


def test_it_vouches_for_this_machine_and_for_domains(proxy: ProxyProcess, root: Path) -> None:
    for name in (NAME, "localhost", HOST):
        done = curl(f"https://{name}:{proxy.port}/", proxy.port, options=("--cacert", f"{root}"))
        assert done.stdout.endswith(" 2 200"), done.stderr
    other = curl(f"https://a.test:{proxy.port}/", proxy.port, options=("--cacert", f"{root}"))
    assert "no alternative certificate subject name matches" in other.stderr
    proxy.ends_by(signal.SIGINT)


def test_plain_http_is_sent_on(proxy: ProxyProcess, redirect: int, root: Path) -> None:
    sent_on = curl(f"http://{NAME}:{redirect}/a?b=c", redirect, options=("--write-out", "%{redirect_url}"))
    assert sent_on.stdout.endswith(f"https://{NAME}:{proxy.port}/a?b=c")
    options = ("--cacert", f"{root}", "--location", "--include")
    followed = curl(f"http://{NAME}:{redirect}/", redirect, proxy.port, options=options)
    assert followed.stdout.endswith(" 2 200")
    assert "strict-transport-security: max-age=60" in followed.stdout
    proxy.ends_by(signal.SIGINT)


def test_the_next_run_has_the_same_certificate(place: Workspace, proxy: ProxyProcess) -> None:
    folder = place.state / "composectl" / "certificates"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    proxy.ends_by(signal.SIGINT)
    again = place.proxy(place.backend(), words=("--tls", "internal", "--domain", NAME))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    again.ends_by(signal.SIGINT)


@pytest.mark.slow
def test_a_machine_trusts_the_authority_until_that_is_taken_back(place: Workspace, tmp_path: Path) -> None:
    port, backend = place.port(), place.backend()
    proxy = command_line("proxy", "--listen", f"{HOST}:{port}", "--backend", backend.address, "--tls", "internal")
    script = TRUSTING.format(
        folder=tmp_path,
        store=STORE,
        port=port,
        proxy=shlex.join(proxy),
        trust=shlex.join(command_line("trust", "--yes")),
        untrust=shlex.join(command_line("untrust", "--yes")),
    )
    done = in_a_namespace(place, script)
    assert done.stdout.split() == [UNKNOWN_ISSUER, "0", UNKNOWN_ISSUER], done.stderr
    assert f"{STORE} has the authority\n" in done.stderr


def in_a_namespace(place: Workspace, script: str) -> subprocess.CompletedProcess[str]:
    """Run it where what it mounts stays its own."""
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-ec", script],
        cwd=place.folder,
        env=place.environment(PATH=os.environ["PATH"], HOME=f"{place.folder}"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_trust_asks_before_it_changes_anything(place: Workspace) -> None:
    error = cli_error_in(place.composectl("trust"))
    assert error.exit_code == 2
    assert error.message == "`composectl trust` asks before it changes a store, and stdin is no terminal"


def test_a_no_changes_nothing(place: Workspace) -> None:
    store = place.folder / "store"
    script = f"""
        mkdir {store}; mount --bind {store} {STORE}
        echo n | script -qefc {shlex.quote(shlex.join(command_line("trust")))} {place.folder}/typescript
    """
    done = in_a_namespace(place, script)
    assert f"Trust {place.state}/composectl/certificates/authority.crt in `{STORE}`? [y/N]" in done.stdout
    assert ": nothing was changed\n" in done.stdout
    assert done.returncode == 1
    assert list(store.iterdir()) == []


def test_a_system_without_a_store_is_told_where_the_certificate_is(place: Workspace) -> None:
    script = f"mount -t tmpfs none /usr/local/share; {shlex.join(command_line('trust', '--yes'))}"
    error = cli_error_in(in_a_namespace(place, script))
    assert error.message == "no store of authorities is known on this system"
    assert f"{place.state}/composectl/certificates/authority.crt" in error.hint


def test_a_folder_that_cannot_be_written_to(place: Workspace) -> None:
    state = place.folder / "state"
    state.touch()
    environment = place.environment(XDG_STATE_HOME=f"{state}")
    words = ("proxy", "--listen", f"{HOST}:0", "--backend", f"{HOST}:9001", "--tls", "internal")
    done = subprocess.run(
        command_line(*words), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    error = cli_error_in(done)
    assert error.message.startswith(f"cannot write in {state}/composectl/certificates: ")
    assert place.leftovers() == []
