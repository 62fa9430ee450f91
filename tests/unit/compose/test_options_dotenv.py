"""Reading an env file."""

from pathlib import Path

import pytest

from composectl.compose.options import parse_dotenv, read_dotenv


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
        ("NAME=# nothing", ""),
    ],
)
def test_a_line_gives_its_value(line: str, value: str) -> None:
    assert parse_dotenv(line) == {"NAME": value}


def test_the_last_line_wins_and_the_rest_is_passed_over() -> None:
    assert parse_dotenv("# A=1\n\nA=2\nnot a variable\nA=3\n") == {"A": "3"}


def test_a_file_that_is_not_there_has_no_variables(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}
