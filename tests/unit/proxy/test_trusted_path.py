"""What another user may have put into a folder like /tmp, and what is made of it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composectl.proxy.access_log import Sink
from composectl.proxy.trusted_path import resolve

STRANGER = 65534
Give = Callable[[Path], None]


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A folder of root, or of another user than this one, like /tmp."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    folder.chmod(0o1777)
    yield folder
    folder.chmod(0o700)


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Makes a file, a folder or a link another user's; without root, this process takes itself for another one's."""

    def to_stranger(path: Path) -> None:
        real = os.lstat

        def lstat(asked: str) -> os.stat_result:
            found = real(asked)
            return os.stat_result((*found[:4], STRANGER, *found[5:])) if asked == str(path) else found

        if os.geteuid() == 0:
            os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
        else:
            monkeypatch.setattr(os, "lstat", lstat)

    return to_stranger


def refused(path: Path) -> bool:
    with pytest.raises(PermissionError) as caught:
        Sink(str(path))
    return "may be another user's trap: others can write to its folder" in caught.value.strerror


def test_a_link_that_another_user_planted_is_not_followed(shared: Path, tmp_path: Path, give: Give) -> None:
    target, link = tmp_path / "bashrc", shared / "access.log"
    target.write_text("mine\n")
    link.symlink_to(target)
    give(link)
    assert refused(link)
    assert target.read_text() == "mine\n"


def test_a_link_of_another_user_that_leads_nowhere_makes_no_file(shared: Path, tmp_path: Path, give: Give) -> None:
    link = shared / "access.log"
    link.symlink_to(tmp_path / "new")
    give(link)
    assert refused(link)
    assert not (tmp_path / "new").exists()


def test_a_file_a_pipe_and_a_folder_of_another_user_get_nothing(shared: Path, give: Give) -> None:
    (shared / "file").touch()
    os.mkfifo(shared / "pipe")
    (shared / "folder").mkdir(mode=0o777)
    for name in ("file", "pipe", "folder"):
        give(shared / name)
    assert [refused(shared / name) for name in ("file", "pipe", "folder/access.log")] == [True] * 3


def test_a_second_name_of_an_own_file_gets_nothing(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "bashrc").write_text("mine\n")
    (shared / "access.log").hardlink_to(tmp_path / "bashrc")
    assert refused(shared / "access.log")


def test_a_link_on_the_way_of_an_own_link_counts_too(shared: Path, tmp_path: Path, give: Give) -> None:
    (shared / "planted").symlink_to(tmp_path)
    give(shared / "planted")
    (tmp_path / "own").symlink_to(shared / "planted" / "access.log")
    assert refused(tmp_path / "own")


def test_own_files_links_and_folders_are_used(shared: Path, tmp_path: Path) -> None:
    (shared / "folder").mkdir()
    (shared / "link").symlink_to("folder/../folder/access.log")
    for path in (shared / "link", shared / "folder" / "access.log", tmp_path / "access.log"):
        sink = Sink(str(path))
        assert sink.write(b"one\n") == (1, None)
        sink.close()
    assert (shared / "folder" / "access.log").read_text() == "one\none\n"
    assert stat.S_IMODE((shared / "folder" / "access.log").stat().st_mode) == 0o600


def test_a_folder_of_another_user_alone_is_used(tmp_path: Path, give: Give) -> None:
    (tmp_path / "access.log").touch()
    give(tmp_path / "access.log")
    assert resolve(str(tmp_path / "access.log")) == str(tmp_path / "access.log")


def test_links_without_an_end_are_told_as_the_system_tells_them(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        resolve(str(tmp_path / "a"))


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        resolve(str(tmp_path / "missing" / "access.log"))


def test_an_open_descriptor_is_used_as_it_is() -> None:
    reading, writing = os.pipe()
    sink = Sink(f"/dev/fd/{writing}")
    assert sink.write(b"one\n") == (1, None)
    assert os.read(reading, 10) == b"one\n"
    sink.close()
    os.close(reading)
    os.close(writing)
