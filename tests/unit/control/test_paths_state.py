"""Where logs are, and which one is meant."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from composectl.control.paths import (
    file_stem,
    file_stem_of_log,
    log_name,
    make_state_dir,
    newest_log,
    rotated_log,
    state_dir,
)
from composectl.errors import ComposectlError

ENGINE = "unix:///var/run/docker.sock"


def written(folder: Path, project: str, directory: str, engine: str = ENGINE, ago: float = 0) -> Path:
    path = folder / log_name(file_stem(project, engine), directory)
    path.touch()
    os.utime(path, (time.time() - ago,) * 2)
    return path


def test_it_is_where_xdg_says_and_else_in_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/me")
    assert state_dir() == Path("/var/me/composectl")
    for none in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", none)
        assert state_dir() == Path("/home/me/.local/state/composectl")


def test_i1_it_is_private_and_its_parents_are_made(tmp_path: Path) -> None:
    folder = tmp_path / ".local" / "state" / "composectl"
    make_state_dir(folder)
    make_state_dir(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_parents_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_state_dir(tmp_path / ".local" / "state" / "composectl")
    finally:
        os.umask(before)
    for folder in (".local", ".local/state", ".local/state/composectl"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700, folder


def test_where_it_cannot_be_made_it_is_told_how_to_have_another(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ComposectlError) as refused:
        make_state_dir(tmp_path / "file" / "composectl")
    assert refused.value.message.startswith(f"cannot write in {tmp_path}/file/composectl: ")
    assert "XDG_STATE_HOME" in refused.value.hint


def test_without_a_home_it_is_told_how_to_have_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(ComposectlError) as refused:
        state_dir()
    assert refused.value.message == "cannot write in ~/.local/state/composectl: you have no home directory"


def test_one_that_others_can_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(ComposectlError, match="unsafe folder"):
        make_state_dir(tmp_path)


def test_a_log_is_found_by_its_project_and_by_its_directory(tmp_path: Path) -> None:
    shop, inner = written(tmp_path, "shop", "/srv/shop"), written(tmp_path, "shop-inner", "/srv/inner")
    assert newest_log(tmp_path, "shop", "/elsewhere") == shop
    assert newest_log(tmp_path, "", "/srv/inner") == inner
    assert newest_log(tmp_path, "sho", "/srv/shop") is None
    assert newest_log(tmp_path, "", "/srv") is None
    assert file_stem_of_log(shop) == file_stem("shop", ENGINE)


def test_of_several_the_one_written_last_is_meant(tmp_path: Path) -> None:
    written(tmp_path, "shop", "/srv/shop", ago=60)
    newer = written(tmp_path, "shop", "/srv/shop", engine="tcp://far:2376")
    assert newest_log(tmp_path, "shop", "") == newest_log(tmp_path, "", "/srv/shop") == newer


def test_where_there_is_no_folder_there_is_no_log(tmp_path: Path) -> None:
    assert newest_log(tmp_path / "composectl", "shop", "") is None


def test_a_log_that_is_a_month_old_is_removed(tmp_path: Path) -> None:
    old, recent = (written(tmp_path, name, "", ago=days * 86400) for name, days in (("old", 31), ("recent", 29)))
    rotated_log(old).touch()
    os.utime(rotated_log(old), (0, 0))
    make_state_dir(tmp_path)
    assert list(tmp_path.iterdir()) == [recent]
