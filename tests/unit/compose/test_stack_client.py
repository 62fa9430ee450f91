"""How `docker stack` is driven."""

from __future__ import annotations

from pathlib import Path

import pytest

from composectl.compose.argv import StackOptions
from composectl.compose.stack import Stack
from composectl.compose.stack_client import StackClient
from composectl.errors import ComposectlError

NEW = "  -c, --compose-file strings\n  -d, --detach"
OLD = "  -c, --compose-file strings"


async def client(folder: Path, help_text: str, script: str = "", options: StackOptions | None = None) -> StackClient:
    """One whose `docker` prints this help, notes how it is called, and then does as the script says."""
    program = folder / "docker"
    helps = f'[ "$3" != --help ] || {{ echo "{help_text}"; exit; }}'
    program.write_text(f'#!/bin/sh\n{helps}\necho "$@" > {folder}/called\ncat > {folder}/read\n{script}\n')
    program.chmod(0o755)
    environ = {"PATH": f"{folder}:/usr/bin:/bin"}
    return await StackClient.find(environ, folder, options or StackOptions())


@pytest.mark.parametrize(
    ("help_text", "words", "file"),
    [
        (NEW, "stack deploy --detach=true --resolve-image always -c - shop", '"services": {}\n'),
        (OLD, "stack deploy --resolve-image always -c - shop", '"version": "3.9"\n"services": {}\n'),
    ],
)
async def test_it_deploys_as_its_version_allows(tmp_path: Path, help_text: str, words: str, file: str) -> None:
    await (await client(tmp_path, help_text)).deploy("shop", Stack({"services": {}}))
    assert (tmp_path / "called").read_text() == f"{words}\n"
    assert (tmp_path / "read").read_text() == file


async def test_the_options_of_up_go_through(tmp_path: Path) -> None:
    options = StackOptions(with_registry_auth=True, prune=True, resolve_image="never")
    stacks = await client(tmp_path, NEW, options=options)
    await stacks.deploy("shop", Stack({"services": {}}), is_whole=True)
    assert (
        tmp_path / "called"
    ).read_text() == "stack deploy --detach=true --with-registry-auth --prune --resolve-image never -c - shop\n"


async def test_a_part_of_a_stack_prunes_nothing(tmp_path: Path) -> None:
    await (await client(tmp_path, NEW, options=StackOptions(prune=True))).deploy("shop", Stack({"services": {}}))
    assert "--prune" not in (tmp_path / "called").read_text()


async def test_it_removes_the_stack(tmp_path: Path) -> None:
    await (await client(tmp_path, OLD)).remove("shop")
    assert (tmp_path / "called").read_text() == "stack rm shop\n"


async def test_a_failure_is_told_with_its_exit_code(tmp_path: Path) -> None:
    stacks = await client(tmp_path, OLD, "exit 7")
    with pytest.raises(ComposectlError, match="`docker stack deploy` failed with exit code 7") as failed:
        await stacks.deploy("shop", Stack({"services": {}}))
    assert failed.value.exit_code == 7


async def test_without_docker_stack_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ComposectlError, match="cannot run `docker stack deploy`"):
        await StackClient.find({"PATH": str(tmp_path)}, tmp_path, StackOptions())
