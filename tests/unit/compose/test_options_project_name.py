"""The project's name; what docker-compose 1.29 makes of a name was measured."""

from pathlib import Path

import pytest

from composectl.compose.options import Options, name_of_v1
from composectl.errors import ComposectlError


@pytest.mark.parametrize(
    ("written", "name"), [("_My Proj.X", "_myprojx"), ("shop-1", "shop-1"), ("Über", "ber"), ("日本-x", "-x")]
)
def test_v1_drops_most_characters(tmp_path: Path, written: str, name: str) -> None:
    assert name_of_v1(Options(project_directory=written), {}, tmp_path) == name
    assert name_of_v1(Options(project_name=written), {}, tmp_path) == name


def test_a_name_of_which_v1_leaves_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ComposectlError, match="invalid project name `日本`") as caught:
        name_of_v1(Options(project_directory="日本"), {}, tmp_path)
    assert "`-p NAME`" in caught.value.hint


def test_the_option_wins_over_the_variable_over_the_env_file(tmp_path: Path) -> None:
    environ = {"COMPOSE_PROJECT_NAME": "variable"}
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=file")
    assert name_of_v1(Options(project_name="option"), environ, tmp_path) == "option"
    assert name_of_v1(Options(), environ, tmp_path) == "variable"
    assert name_of_v1(Options(), {}, tmp_path) == "file"


def test_a_root_directory_has_no_name_of_its_own() -> None:
    assert name_of_v1(Options(project_directory="/"), {}, Path("/nowhere")) == "default"
