"""Finding Compose, among programs that answer as the real ones do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from composectl.compose.binary import Compose, find_compose, look_for_compose
from composectl.errors import ComposectlError

Install = Callable[[str, str], Path]

PLUGIN = '[ "$*" = "compose version --short" ] && echo {version}'
STANDALONE = '[ "$*" = "version --short" ] && echo {version}'
DOCKER_WITHOUT_PLUGIN = 'echo "docker: unknown command: docker compose" >&2; exit 125'


@pytest.fixture
def install(tmp_path: Path) -> Install:
    def put(name: str, script: str) -> Path:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return put


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PATH": str(tmp_path)}


@pytest.mark.parametrize(
    ("plugin", "standalone", "newest"),
    [
        ("2.40.3-3", "1.29.2", Compose(("docker", "compose"), (2, 40, 3))),
        ("v2.9.0", "2.26.1-4", Compose(("docker-compose",), (2, 26, 1))),
        ("5.0.0", "2.40.3", Compose(("docker", "compose"), (5, 0, 0))),
        ("2.40.3", "v2.40.3", Compose(("docker", "compose"), (2, 40, 3))),
    ],
)
def test_the_newest_wins_and_the_plugin_on_ties(
    install: Install, environ: dict[str, str], plugin: str, standalone: str, newest: Compose
) -> None:
    install("docker", PLUGIN.format(version=plugin))
    install("docker-compose", STANDALONE.format(version=standalone))
    assert find_compose(environ) == newest


def test_a_docker_without_the_plugin_is_passed_over(install: Install, environ: dict[str, str]) -> None:
    install("docker", DOCKER_WITHOUT_PLUGIN)
    install("docker-compose", STANDALONE.format(version="1.29.2"))
    assert find_compose(environ) == Compose(("docker-compose",), (1, 29, 2))


def test_both_are_asked_at_the_same_time(install: Install, environ: dict[str, str], tmp_path: Path) -> None:
    meet = f"cd {tmp_path}; : >{{mine}}; until [ -e {{other}} ]; do :; done; echo {{version}}"
    install("docker", meet.format(mine="a", other="b", version="2.0.0"))
    install("docker-compose", meet.format(mine="b", other="a", version="2.0.1"))
    assert find_compose(environ).version == (2, 0, 1)


def test_each_candidate_is_told_with_what_it_is(install: Install, environ: dict[str, str]) -> None:
    install("docker", DOCKER_WITHOUT_PLUGIN)
    install("docker-compose", STANDALONE.format(version="1.29.2"))
    standalone = Compose(("docker-compose",), (1, 29, 2))
    assert look_for_compose(environ) == {"docker compose": None, "docker-compose": standalone}


def test_nothing_installed_is_told_with_a_hint(environ: dict[str, str]) -> None:
    with pytest.raises(ComposectlError, match="neither `docker compose` nor `docker-compose`") as caught:
        find_compose(environ)
    assert "COMPOSECTL_COMPOSE" in caught.value.hint


def test_the_named_one_is_taken_even_if_it_is_older(install: Install, environ: dict[str, str]) -> None:
    install("docker", PLUGIN.format(version="2.40.3"))
    old = install("an old one", STANDALONE.format(version="1.29.2"))
    assert find_compose(environ | {"COMPOSECTL_COMPOSE": str(old)}) == Compose((str(old),), (1, 29, 2))


def test_the_plugin_can_be_named(install: Install, environ: dict[str, str]) -> None:
    install("docker", PLUGIN.format(version="2.26.1"))
    install("docker-compose", STANDALONE.format(version="2.40.3"))
    assert find_compose(environ | {"COMPOSECTL_COMPOSE": "docker compose"}).command == ("docker", "compose")


@pytest.mark.parametrize("named", ["/bin/echo", "/nowhere/docker-compose", "docker 'compose"])
def test_a_named_program_that_tells_no_version_is_refused(environ: dict[str, str], named: str) -> None:
    with pytest.raises(ComposectlError, match="is not Compose") as caught:
        find_compose(environ | {"COMPOSECTL_COMPOSE": named})
    assert named in caught.value.message


def test_a_command_is_looked_for_in_path_and_never_in_the_current_folder(
    install: Install, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("docker", PLUGIN.format(version="2.26.1"))
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("docker compose", "docker", "docker-compose"):
        (clone / name).write_text(f"#!/bin/sh\n: >{clone}/ran\n{STANDALONE.format(version='9.9.9')}\n")
        (clone / name).chmod(0o755)
    monkeypatch.chdir(clone)
    for named in ("docker compose", ""):
        assert find_compose(environ | {"COMPOSECTL_COMPOSE": named}) == Compose(("docker", "compose"), (2, 26, 1))
    with pytest.raises(ComposectlError, match="is not Compose"):
        find_compose(environ | {"COMPOSECTL_COMPOSE": "docker-compose"})
    assert not (clone / "ran").exists()


def test_a_path_with_a_slash_is_that_of_the_current_folder_wherever_it_is_run(
    install: Install, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = install("docker compose", STANDALONE.format(version="2.1.0"))
    install("tool", PLUGIN.format(version="2.2.0"))
    monkeypatch.chdir(tmp_path)
    assert find_compose(environ | {"COMPOSECTL_COMPOSE": "./docker compose"}).command == (str(program),)
    assert find_compose(environ | {"COMPOSECTL_COMPOSE": "./tool compose"}).command == (f"{tmp_path}/tool", "compose")
