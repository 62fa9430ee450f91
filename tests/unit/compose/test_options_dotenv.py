"""Reading an env file."""

import os
from pathlib import Path

import pytest

from composectl.compose.options import read_dotenv


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=shop", "shop"),
        (" export NAME = shop ", "shop"),
        ("NAME='a # b'", "a # b"),
        ('NAME="a # b" # c', "a # b"),
        ("NAME=a#b # c", "a#b"),
        ("NAME=", ""),
        ("NAME=''", ""),
        ("NAME=# nothing", "# nothing"),
        ('NAME="a\\nb"', "a\nb"),
        ("NAME='a\\nb'", "a\\nb"),
        ('NAME="a\nb"', "a\nb"),
        ("NAME='it\\'s'", "it's"),
        ("PART=1\nNAME=${PART}x", "1x"),
        ("\ufeffNAME=shop", "shop"),
        ("NAME=a\r\nPART=1\r\n", "a"),
    ],
)
def test_a_line_gives_its_value_as_both_composes_read_it(tmp_path: Path, line: str, value: str) -> None:
    file = tmp_path / ".env"
    file.write_text(line, encoding="utf-8", newline="")
    assert read_dotenv(file)["NAME"] == value


def test_the_last_line_wins_and_the_rest_is_passed_over(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / ".env"
    file.write_text("# A=1\n\nA=2\nnot a variable\nB\nA=3\n")
    assert read_dotenv(file) == {"A": "3"}
    assert capfd.readouterr().err == ""


def test_a_file_that_is_not_there_has_no_variables(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}


@pytest.mark.parametrize("target", ["/dev/zero", "pipe", "."])
def test_what_is_no_file_is_not_read(tmp_path: Path, target: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".env").symlink_to(target)
    assert read_dotenv(tmp_path / ".env") == {}


def test_a_file_that_is_larger_than_any_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / ".env").open("wb") as file:
        file.truncate(1 << 40)
    assert read_dotenv(tmp_path / ".env") == {}


def test_variables_that_multiply_others_end_in_time(tmp_path: Path) -> None:
    lines = ["A0=lol", *(f"A{number}=" + f"${{A{number - 1}}}" * 9 for number in range(1, 100))]
    (tmp_path / ".env").write_text("\n".join([*lines, "B=1"]))
    read = read_dotenv(tmp_path / ".env")
    assert read["A2"] == "lol" * 81
    assert sum(map(len, read.values())) < 10_000_000
    assert "B" not in read
