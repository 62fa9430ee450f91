"""The shells themselves complete what is typed after `composectl`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.proxy_process import Workspace
from tests.support.terminal import Terminal

COMPOSE_FILE = "services: {echo: {image: !reset a, profiles: [debug]}, worker: {image: a}}\n"
TAB = "\t"
# What is typed, and what stands there when the keys have been taken.
TYPED = [
    (f"roll{TAB}ec{TAB}--can{TAB}10% ", "composectl rollout echo --canary 10% "),
    (f"up --pol{TAB}p2{TAB}--balance ec{TAB}3 wor{TAB}", "composectl up --policy p2c --balance echo=3 worker "),
    (f"up --balance=ec{TAB}3", "composectl up --balance=echo=3"),
    (f"--prof{TAB}de{TAB}res{TAB}wor{TAB}", "composectl --profile debug restart worker "),
    (f"-f comp{TAB}logs --bal{TAB}", "composectl -f compose.yaml logs --balancer "),
    (f"--project-dir{TAB}fol{TAB}", "composectl --project-directory folder/"),
    (f"undrain{TAB}", "composectl undrain "),
]
SHELLS = {
    "bash": (("bash", "--norc", "--noprofile", "-i"), 'eval "$(composectl completion bash)"; PS1="> "'),
    "zsh": (
        ("zsh", "-f", "-i"),
        'autoload -U compinit; compinit -u -D; eval "$(composectl completion zsh)"; PS1="> "',
    ),
}


@pytest.fixture
def folder(place: Workspace) -> Path:
    (place.folder / "compose.yaml").write_text(COMPOSE_FILE)
    (place.folder / "folder").mkdir()
    return place.folder


def environment(place: Workspace) -> dict[str, str]:
    return place.environment(
        PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", HOME=str(place.folder), PS1="", LANG="C.UTF-8"
    )


def in_fish(place: Workspace, typed: str) -> list[str]:
    """What fish offers after these words."""
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"composectl completion fish | source; complete -C 'composectl {typed}'"],
        cwd=place.folder,
        env=environment(place),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


def shows(terminal: Terminal, line: str) -> Callable[[str], bool]:
    """Whether the line of the cursor is this one, and the cursor at its end."""
    return lambda text: any(shown.rstrip() == f"> {line}".rstrip() for shown in text.splitlines())


@pytest.mark.parametrize(("typed", "line"), TYPED)
@pytest.mark.parametrize("shell", SHELLS)
def test_the_tabulator_completes(place: Workspace, folder: Path, shell: str, typed: str, line: str) -> None:
    command, setting = SHELLS[shell]
    with Terminal(command, folder, environment(place)) as terminal:
        terminal.type(f"{setting}; clear\n")
        assert terminal.shows(lambda text: text.strip() == ">"), repr(terminal.screen.text.strip())
        terminal.type(f"composectl {typed}")
        assert terminal.shows(shows(terminal, line)), terminal.screen.text


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("rollo", ["rollout"]),
        ("rollout e", ["echo"]),
        ("up --balance ", ["echo=", "worker="]),
        ("up --balance=e", ["--balance=echo="]),
        ("up --policy p", ["p2c"]),
        ("up --backend-address=pub", ["--backend-address=published"]),
        ("-f comp", ["compose.yaml"]),
        ("--project-directory f", ["folder/"]),
        ("completion f", ["fish"]),
        ("exec w", ["worker"]),
    ],
)
def test_fish_offers(place: Workspace, folder: Path, typed: str, offered: list[str]) -> None:
    assert in_fish(place, typed) == offered


def test_backends_come_from_the_running_process(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), place.backend(), words=("--name", "edge"))
    assert place.comes_to("ready", "ready")
    assert in_fish(place, "drain ") == ["proxy"]
    assert in_fish(place, "drain proxy ") == ["1", "2"]
    place.run("drain", "proxy", "2")
    assert (in_fish(place, "drain proxy "), in_fish(place, "undrain proxy ")) == (["1"], ["2"])
    assert in_fish(place, "-p e") == ["edge"]
    proxy.ends_by(signal.SIGINT)


@pytest.mark.parametrize("typed", ["frobnicate --x ", "up --nonsense=", "drain nothing ", "-f missing.yaml up "])
def test_where_nothing_is_known_nothing_is_said(place: Workspace, typed: str) -> None:
    assert in_fish(place, typed) == []
