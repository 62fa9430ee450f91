"""What the scripts of `composectl completion` ask, and get."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cpu_cost import least_cpu

COMPOSE_FILE = "services: {echo: {image: a}, worker: {image: a}}"
COMPOSECTL = (sys.executable, "-m", "composectl")


def environment(shell: str, folder: Path) -> dict[str, str]:
    """In which the completion of this shell asks."""
    return {**os.environ, "_COMPOSECTL_COMPLETE": f"{shell}_complete", "XDG_RUNTIME_DIR": str(folder)}


def asked(shell: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMPOSECTL, *words],
        env=environment(shell, folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def offered(shell: str, *words: str, folder: Path) -> list[str]:
    return [line.partition("\t")[0] for line in asked(shell, *words, folder=folder).stdout.splitlines() if line]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(COMPOSE_FILE)
    return tmp_path


def test_zsh_and_fish_ask_with_words_and_get_whole_ones(folder: Path) -> None:
    for shell in ("zsh", "fish"):
        assert offered(shell, "up", "--balance=e", folder=folder) == ["--balance=echo="]
        assert offered(shell, "up", "--balance", "", folder=folder) == ["echo=", "worker="]


def test_bash_gets_what_is_behind_the_equals_sign(folder: Path) -> None:
    assert offered("bash", "composectl up --balance=e", folder=folder) == ["echo="]
    assert offered("bash", "composectl up --balance ", folder=folder) == ["echo=", "worker="]
    assert offered("bash", "composectl 'up' --queue-timeout 3 wo", folder=folder) == ["worker"]


def test_every_completion_tells_what_it_means(folder: Path) -> None:
    lines = asked("fish", "", folder=folder).stdout.splitlines()
    assert "status\tShow the backends of each service" in lines
    assert "ps\tCompose's own" in lines


def test_the_commands_of_compose_have_its_services(folder: Path) -> None:
    assert offered("zsh", "exec", "", folder=folder) == ["echo", "worker"]


def test_a_shell_that_is_mistyped(folder: Path) -> None:
    finished = subprocess.run(
        [*COMPOSECTL, "completion", "fsh"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert finished.returncode == 2
    assert finished.stderr == "error: no completion for `fsh`\n\nhint: did you mean `fish`?\n"


@pytest.mark.parametrize(
    "line", ["composectl 'up", "", "composectl -f", "composectl x --y=", 'composectl "', "composectl drain a 1 "]
)
def test_whatever_stands_there_nothing_is_complained_of(folder: Path, line: str) -> None:
    assert asked("bash", line, folder=folder).stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ("up", "--balance", ""),
        *(pytest.param(words, marks=pytest.mark.slow) for words in (("up", "--bal"), ("",), ("up", "--policy", ""))),
    ],
)
def test_it_is_there_before_a_person_notices(folder: Path, words: tuple[str, ...]) -> None:
    assert least_cpu([*COMPOSECTL, *words], folder, environment("zsh", folder)) < 0.15
