"""Compose's global options and the directory that they lead to."""

import os
from pathlib import Path

import pytest

from composectl.compose.options import Options, files_of_v1, project_directory_of, settings


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    """A directory without a compose file, in a project."""
    (tmp_path / "docker-compose.yml").touch()
    cwd = tmp_path / "deep" / "inside"
    cwd.mkdir(parents=True)
    return cwd


def test_every_option_goes_to_compose() -> None:
    options = Options(("a.yml", "b.yml"), "shop", "/srv", ("a.env",), ("debug",), ("--ansi", "never"))
    assert " ".join(options.argv()) == (
        "--file a.yml --file b.yml --project-name shop --project-directory /srv"
        " --env-file a.env --profile debug --ansi never"
    )


def test_options_that_were_not_given_stay_away() -> None:
    assert Options().argv() == ()


def test_paths_can_be_told_apart_from_where_they_were_typed() -> None:
    options = Options(("-", "../b.yml"), project_directory="sub", env_files=("a.env",)).absolute(Path("/srv/shop"))
    assert options == Options(("-", "/srv/b.yml"), project_directory="/srv/shop/sub", env_files=("/srv/shop/a.env",))


def test_what_was_not_given_does_not_become_a_path() -> None:
    assert Options().absolute(Path("/srv")) == Options()


def test_the_project_directory_is_the_one_that_is_given(cwd: Path) -> None:
    options = Options(("/elsewhere/compose.yml",), project_directory="../x")
    assert project_directory_of(options, {"COMPOSE_FILE": "/a/b.yml"}, cwd) == cwd.parent / "x"


def test_else_the_one_of_the_first_file(cwd: Path) -> None:
    options = Options(("sub/compose.yml", "/elsewhere/compose.yml"))
    assert project_directory_of(options, {"COMPOSE_FILE": "/a/b.yml"}, cwd) == cwd / "sub"


def test_else_the_one_of_the_first_of_compose_file(cwd: Path) -> None:
    files = os.pathsep.join(("one/compose.yml", "two/compose.yml"))
    assert project_directory_of(Options(), {"COMPOSE_FILE": files}, cwd) == cwd / "one"


def test_compose_file_may_be_separated_by_something_else(cwd: Path) -> None:
    environ = {"COMPOSE_FILE": "a:b/compose.yml;two/compose.yml", "COMPOSE_PATH_SEPARATOR": ";"}
    assert project_directory_of(Options(), environ, cwd) == cwd / "a:b"


def test_compose_file_may_stand_in_an_env_file(cwd: Path) -> None:
    (cwd / ".env").write_text("COMPOSE_FILE=one/compose.yml")
    assert project_directory_of(Options(), {}, cwd) == cwd / "one"
    (cwd / "other.env").write_text("COMPOSE_FILE=two/compose.yml")
    assert project_directory_of(Options(env_files=("other.env",)), {}, cwd) == cwd / "two"


@pytest.mark.parametrize("name", ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"])
def test_else_the_nearest_with_a_compose_file(cwd: Path, name: str) -> None:
    (cwd.parent / name).touch()
    assert project_directory_of(Options(), {}, cwd) == cwd.parent


def test_a_file_on_stdin_belongs_to_the_current_directory(cwd: Path) -> None:
    assert project_directory_of(Options(("-",)), {}, cwd) == cwd


def test_the_processs_own_variables_win_over_the_env_file(cwd: Path) -> None:
    (cwd / ".env").write_text("A=1\nB=2")
    assert settings(Options(), {"A": "0"}, cwd) == {"A": "0", "B": "2"}


def test_the_env_file_stands_beside_the_first_file(cwd: Path) -> None:
    (cwd.parent / ".env").write_text("A=1")
    assert settings(Options(("../compose.yml",)), {}, cwd) == {"A": "1"}


# The files that docker-compose 1 reads


def test_v1_reads_the_files_that_it_is_told(tmp_path: Path) -> None:
    environ = {"COMPOSE_FILE": f"a.yml{os.pathsep}b.yml"}
    assert files_of_v1(Options(("-", "c.yml")), environ, tmp_path) == (tmp_path / "c.yml",)
    assert files_of_v1(Options(), environ, tmp_path) == (tmp_path / "a.yml", tmp_path / "b.yml")


def test_untold_v1_reads_a_file_and_its_override_by_their_names(cwd: Path) -> None:
    folder = cwd.parent.parent
    assert files_of_v1(Options(), {}, cwd) == (folder / "docker-compose.yml",)
    (folder / "compose.yml").touch()
    (folder / "compose.override.yaml").touch()
    assert files_of_v1(Options(), {}, cwd) == (folder / "docker-compose.yml", folder / "compose.override.yaml")


def test_where_there_is_no_file_v1_reads_none(tmp_path: Path) -> None:
    assert files_of_v1(Options(), {}, tmp_path) == ()
