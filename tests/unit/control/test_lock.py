"""One composectl a project."""

import os
import socket
from pathlib import Path

import pytest

from composectl.control.lock import ProjectLock
from composectl.errors import ComposectlError

ENGINE = "unix:///var/run/docker.sock"


def test_i4_a_second_lock_is_refused_with_the_process(tmp_path: Path) -> None:
    lock = ProjectLock(tmp_path, "shop", ENGINE)
    with pytest.raises(ComposectlError, match=f"already running for project `shop` \\(process {os.getpid()}\\)"):
        ProjectLock(tmp_path, "shop", ENGINE)
    lock.release()


def test_a_proxy_holds_its_name_and_no_projects(tmp_path: Path) -> None:
    locks = [ProjectLock(tmp_path, "edge"), ProjectLock(tmp_path, "edge", ENGINE)]
    with pytest.raises(ComposectlError, match=f"proxy `edge` is already running \\(process {os.getpid()}\\)"):
        ProjectLock(tmp_path, "edge")
    for lock in locks:
        lock.release()


def test_another_project_and_another_engine_are_free(tmp_path: Path) -> None:
    locks = [
        ProjectLock(tmp_path, "shop", ENGINE),
        ProjectLock(tmp_path, "blog", ENGINE),
        ProjectLock(tmp_path, "shop", "tcp://b:1"),
    ]
    for lock in locks:
        lock.release()


def test_after_release_nothing_is_left_and_it_is_free(tmp_path: Path) -> None:
    lock = ProjectLock(tmp_path, "shop", ENGINE)
    lock.listen().close()
    lock.release()
    assert not tmp_path.exists()
    ProjectLock(tmp_path, "shop", ENGINE).release()


def test_i1_the_socket_is_the_owners_alone(tmp_path: Path) -> None:
    lock = ProjectLock(tmp_path, "shop", ENGINE)
    with lock.listen():
        assert lock.socket.stat().st_mode & 0o777 == 0o600
    lock.release()


def test_i4_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    first = ProjectLock(tmp_path, "shop", ENGINE)
    stale = first.listen()
    stale.close()
    os.close(first.fd)  # as the kernel does when a process is killed

    lock = ProjectLock(tmp_path, "shop", ENGINE)
    with lock.listen() as listening:
        listening.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(lock.socket))
    lock.release()


@pytest.mark.parametrize("garbage", [b"", b"x", b"\xff\xfe", b"-1", "\u0663".encode(), b"1 2", b"0x10"])
def test_a_lock_file_that_names_no_process_is_held_all_the_same(tmp_path: Path, garbage: bytes) -> None:
    lock = ProjectLock(tmp_path, "shop", ENGINE)
    os.ftruncate(lock.fd, 0)
    os.pwrite(lock.fd, garbage, 0)
    with pytest.raises(ComposectlError) as refused:
        ProjectLock(tmp_path, "shop", ENGINE)
    assert refused.value.message == "composectl is already running for project `shop`"
    os.close(lock.fd)
