"""The file of passwords: what is taken for one, and what is said of any other."""

from __future__ import annotations

import os
from pathlib import Path

import bcrypt
import pytest

from composectl.proxy.password_file import BadPasswordFile, is_password, read_password_file, stamp_of

HASH = bcrypt.hashpw(b"secret", b"$2b$04$" + b"." * 22).decode()  # the same in each process


def written(folder: Path, text: str, mode: int = 0o644) -> str:
    path = folder / "users"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def fault_of(path: str) -> BadPasswordFile:
    with pytest.raises(BadPasswordFile) as raised:
        read_password_file(path)
    assert raised.value.hint
    return raised.value


def test_each_line_is_a_user(tmp_path: Path) -> None:
    text = f"# admins\nann:{HASH}\r\n\nbob smith:{HASH.replace('$2b$', '$2y$')}  \nj\u00f6rg:{HASH}\n"
    file = read_password_file(written(tmp_path, text))
    assert list(file.hashes) == [b"ann", b"bob smith", "j\u00f6rg".encode()]


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o444, 0o644])
def test_others_may_read_it(tmp_path: Path, mode: int) -> None:
    assert read_password_file(written(tmp_path, f"ann:{HASH}\n", mode)).hashes


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_others_may_not_change_it(tmp_path: Path, mode: int) -> None:
    bad = fault_of(written(tmp_path, f"ann:{HASH}\n", mode))
    assert bad.fault == f"can be changed by others (mode {mode:04o})"
    assert bad.hint.startswith("`chmod go-w ")


@pytest.mark.parametrize(
    "line",
    [
        *("ann", "ann:secret", f":{HASH}", "ann:$apr1$abcdefgh$0123456789012345678901", "ann:{SHA}5baa61e4c9b93f3f"),
        *(
            f"ann:{HASH[:-1]}",
            f"ann:{HASH}x",
            f"ann:{HASH}:more",
            f" ann\x00:{HASH}",
            f"ann:{HASH.replace('$2b', '$2x')}",
        ),
    ],
)
def test_what_is_no_line_of_htpasswd_is_named_by_its_number_alone(tmp_path: Path, line: str) -> None:
    bad = fault_of(written(tmp_path, f"bob:{HASH}\n{line}\n"))
    assert bad.fault == "has no USER:HASH by bcrypt in line 2"
    assert "htpasswd -B" in bad.hint
    assert HASH not in bad.fault + bad.hint


@pytest.mark.parametrize("cost", [3, 15, 31, 99])
def test_a_hash_that_takes_too_long_is_refused(tmp_path: Path, cost: int) -> None:
    bad = fault_of(written(tmp_path, f"ann:{HASH[:4]}{cost:02}{HASH[6:]}\n"))
    assert bad.fault.startswith(f"has a cost of {cost} in line 1")


def test_other_faults(tmp_path: Path) -> None:
    assert fault_of(str(tmp_path / "missing")).fault == "cannot be read: No such file or directory"
    assert fault_of(str(tmp_path)).fault in ("is not a regular file", "cannot be read: Is a directory")
    assert fault_of(written(tmp_path, "# nothing\n")).fault == "has no user"
    assert "twice" in fault_of(written(tmp_path, f"ann:{HASH}\nann:{HASH}\n")).fault
    assert fault_of(written(tmp_path, "#" * 1_100_000)).fault == "has more than 1 MiB"
    os.mkfifo(tmp_path / "pipe")
    assert fault_of(str(tmp_path / "pipe")).fault == "is not a regular file"


def test_a_file_that_changes_has_another_stamp(tmp_path: Path) -> None:
    path = written(tmp_path, f"ann:{HASH}\n")
    before = read_password_file(path).stamp
    assert stamp_of(path) == before
    written(tmp_path, f"bob:{HASH}\nann:{HASH}\n")
    assert stamp_of(path) != before
    assert stamp_of(str(tmp_path / "missing")) is None


@pytest.mark.parametrize(
    ("password", "is_right"),
    [(b"secret", True), (b"Secret", False), (b"", False), (b"secret\x00", False), (b"s" * 100, False)],
)
def test_a_password_is_right_or_not(password: bytes, is_right: bool) -> None:
    assert is_password(password, HASH.encode()) is is_right


def test_of_a_long_password_72_bytes_count() -> None:
    hashed = bcrypt.hashpw(b"p" * 72, bcrypt.gensalt(4))
    assert is_password(b"p" * 72 + b"anything", hashed)
    assert not is_password(b"p" * 71, hashed)
