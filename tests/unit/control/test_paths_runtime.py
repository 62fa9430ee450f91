"""The folder of the sockets is its owner's alone."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from composectl.control.paths import control_sockets, file_stem, make_private, runtime_dir, runtime_fault
from composectl.errors import ComposectlError


def made(parent: Path) -> Path:
    folder = runtime_dir({"XDG_RUNTIME_DIR": str(parent)})
    make_private(folder)
    return folder


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_i1_it_is_private_whatever_the_umask(tmp_path: Path) -> None:
    folder = made(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_it_may_be_there_already(tmp_path: Path) -> None:
    assert made(tmp_path) == made(tmp_path)


def test_i3_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (tmp_path / "composectl").symlink_to(elsewhere)
    with pytest.raises(ComposectlError, match="unsafe folder"):
        made(tmp_path)


def test_i3_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "composectl").mkdir()
    (tmp_path / "composectl").chmod(0o777)
    with pytest.raises(ComposectlError, match="unsafe folder"):
        made(tmp_path)


def test_i3_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "composectl").write_text("")
    with pytest.raises(ComposectlError, match="unsafe folder"):
        made(tmp_path)


def test_i5_names_differ_by_project_and_by_engine() -> None:
    assert len({file_stem("a", "unix:///1"), file_stem("b", "unix:///1"), file_stem("a", "unix:///2")}) == 3


def test_i5_a_long_name_leaves_room_in_the_path() -> None:
    assert len(file_stem("x" * 200, "unix:///1")) < 50


def test_only_sockets_are_listed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    for name in ("b.sock", "a.sock", "a.lock", "a.log"):
        (tmp_path / name).touch()
    assert [path.name for path in control_sockets(tmp_path)] == ["a.sock", "b.sock"]


def test_where_nothing_ever_ran_there_is_no_socket(tmp_path: Path) -> None:
    assert control_sockets(tmp_path / "composectl") == []


def test_i3_sockets_in_a_folder_of_others_are_not_trusted(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(ComposectlError, match="unsafe folder"):
        control_sockets(tmp_path)


def test_a_private_folder_of_this_user_is_taken(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert runtime_dir(environ) == tmp_path / "composectl"
    assert (runtime_fault(environ), runtime_fault({})) == ("", "")


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o777, 0o1777])
def test_one_that_others_have_access_to_is_not_taken(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert tmp_path not in runtime_dir(environ).parents
    assert runtime_fault(environ) == (
        f"XDG_RUNTIME_DIR `{tmp_path}` is not used: other users have access to it (mode {mode:04o}, not 0700)"
    )


def test_one_of_another_user_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert runtime_dir(environ) == Path(tempfile.gettempdir()) / "composectl-4000000000"
    assert runtime_fault(environ).endswith("is not used: it belongs to another user")


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("run", "it is not an absolute path"),
        (".", "it is not an absolute path"),
        ("/nowhere/at/all", "No such file or directory"),
        ("/dev/null", "it is not a folder"),
    ],
)
def test_what_is_no_folder_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, why: str) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_RUNTIME_DIR": named}
    assert runtime_dir(environ) == runtime_dir({})
    assert runtime_fault(environ) == f"XDG_RUNTIME_DIR `{named}` is not used: {why}"


@pytest.mark.parametrize("project", ["../../evil", "/etc/evil", "a*b", "[a]", "a\nb", "..", "é"])
def test_a_name_leads_to_no_other_folder(tmp_path: Path, project: str) -> None:
    stem = file_stem(project, "unix:///1")
    assert (tmp_path / f"{stem}.sock").parent == tmp_path
    assert re.fullmatch(r"[\w.-]+-[0-9a-f]{12}", stem, re.ASCII)
    assert stem != file_stem(f"{project}_", "unix:///1")
