"""How Compose is driven."""

from pathlib import Path

import pytest

from composectl.compose.binary import Compose
from composectl.compose.client import ComposeClient
from composectl.compose.options import Invocation, Options
from composectl.compose.project import Project


def client(cwd: Path, script: str = "") -> ComposeClient:
    program = cwd / "compose"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return ComposeClient(
        Compose((str(program),), (2, 40, 3)), Invocation(Options(project_name="x"), None, None, {}, cwd), {}
    )


def test_what_config_told_is_the_name(tmp_path: Path) -> None:
    assert client(tmp_path).name_of(Project("told", {})) == "told"


def test_without_a_told_name_it_is_that_of_the_options(tmp_path: Path) -> None:
    assert client(tmp_path).name_of(Project(None, {})) == "x"


@pytest.mark.parametrize(("quiet", "stderr"), [(False, "careful\n"), (True, "")])
async def test_warnings_go_to_stderr_unless_it_is_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], quiet: bool, stderr: str
) -> None:
    project = await client(tmp_path, """echo careful >&2; echo '{"name": "shop"}'""").load(quiet=quiet)
    assert project.name == "shop"
    assert capsys.readouterr().err == stderr
