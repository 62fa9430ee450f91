"""The shells themselves complete what is typed after `composectl`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.proxy_process import Workspace
from tests.support.terminal import Terminal
from tests.support.wait import wait_until

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
FISH = (("fish", "--no-config", "-i"), 'composectl completion fish | source; function fish_prompt; echo "> "; end')
# Names that do harm in a shell, or that a shell reads as something else; each begins with `zz`.
TRAPS = [
    *("zz;touch${IFS}pwned;", "zz$(touch pwned)", "zz`touch pwned`", "zz&touch pwned&", "zz|touch pwned", "zz>pwned"),
    *("zz'; touch pwned; '", 'zz"; touch pwned; "', "zz\\", "zz*", "zz{a,b}", "zz(touch pwned)", "zz #", "zz!!"),
]
# In place of composectl: it offers the one word of the file `offered`, and writes its arguments into `heard`.
OFFERS = """#!/bin/sh
if [ "$1" = completion ]; then exec "$REAL" "$@"; fi
if [ -n "$_COMPOSECTL_COMPLETE" ]; then cat offered; exit; fi
printf '%s\\0' "$@" >heard.new; mv heard.new heard
"""


@pytest.fixture
def folder(place: Workspace) -> Path:
    (place.folder / "compose.yaml").write_text(COMPOSE_FILE)
    (place.folder / "folder").mkdir()
    return place.folder


def environment(place: Workspace) -> dict[str, str]:
    return place.environment(
        PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", HOME=str(place.folder), PS1="", LANG="C.UTF-8"
    )


def offered_by(shell: str, place: Workspace, *words: str) -> list[str]:
    """The words that composectl offers to the script of this shell."""
    asked = (" ".join(("composectl", *words)),) if shell == "bash" else words
    done = subprocess.run(
        ["composectl", *asked],
        cwd=place.folder,
        env=environment(place) | {"_COMPOSECTL_COMPLETE": f"{shell}_complete"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [line.partition("\t")[0] for line in done.stdout.splitlines() if line]


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


def test_a_service_of_a_file_from_elsewhere_runs_nothing(place: Workspace) -> None:
    (place.folder / "compose.yaml").write_text(json.dumps({"services": {name: {} for name in [*TRAPS, "zzz"]}}))
    for shell in ("bash", "zsh", "fish"):
        assert offered_by(shell, place, "exec", "zz") == ["zzz"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_word_that_is_offered_is_inserted_so_that_the_shell_reads_it_as_that_word(
    place: Workspace, shell: str
) -> None:
    tools = place.folder / "tools"
    tools.mkdir()
    (tools / "composectl").write_text(OFFERS)
    (tools / "composectl").chmod(0o755)
    command, setting = {**SHELLS, "fish": FISH}[shell]
    paths = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "REAL": str(Path(sys.executable).parent / "composectl"),
        "XDG_RUNTIME_DIR": str(place.folder),  # where fish leaves a file
    }
    with Terminal(command, place.folder, environment(place) | paths) as terminal:
        terminal.type(f"{setting}; clear\n")
        assert terminal.shows(lambda text: text.strip() == ">"), repr(terminal.screen.text.strip())
        for trap in TRAPS:
            (place.folder / "offered").write_text(f"{trap}\tmeans nothing\n")
            terminal.type(f"composectl exec z{TAB}")
            assert terminal.shows(lambda text: "zz" in text.rpartition("> ")[2]), terminal.screen.text
            terminal.type(" end\n")
            heard = place.folder / "heard"
            assert wait_until(heard.exists), f"{trap}: {terminal.screen.text}"
            assert heard.read_text().split("\0")[:-1] == ["exec", trap, "end"]
            assert not (place.folder / "pwned").exists(), trap
            heard.unlink()
            terminal.type("clear\n")
            assert terminal.shows(lambda text: text.strip() == ">"), repr(terminal.screen.text.strip())


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
