"""Text that others chose cannot steer the terminal."""

import time

import pytest

from composectl.sanitize import output_lines, sanitize, sanitize_lines


@pytest.mark.parametrize(
    ("hostile", "left"),
    [
        ("echo-1", "echo-1"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;title\x9cname", "name"),
        ("\x9b2Jname", "name"),
        ("\x1bcname", "name"),
        ("two\r\nlines\tand a tab", "two  lines and a tab"),
        ("\x00\x07\x08\x7fname", "name"),
        ("right-to-left \u202eeman", "right-to-left eman"),
        ("broken \udcff sign", "broken  sign"),
        ("unfinished \x1b]0;title", "unfinished 0;title"),
        ("接続しました é", "接続しました é"),
    ],
)
def test_h18_nothing_but_printable_signs_is_left(hostile: str, left: str) -> None:
    assert sanitize(hostile) == left


def test_what_is_left_is_always_printable() -> None:
    assert sanitize("".join(map(chr, range(0x3000)))).isprintable()


def test_h18_lines_of_ours_stay_lines() -> None:
    assert sanitize_lines("stopped:\n  \x1b[31mred\x1b[0m\ttab\n") == "stopped:\n  red tab\n"


def test_a_long_text_is_cut() -> None:
    assert len(sanitize("x" * 1_000_000)) == 10_000


@pytest.mark.parametrize("piece", ["\x1b]", "\x1b[", "\x1b", "\x9b", "\x1b]\x1b\\"])
def test_no_text_takes_long(piece: str) -> None:
    started = time.process_time()
    sanitize(piece * 10_000)
    assert time.process_time() - started < 0.1


def test_lines_come_as_they_are() -> None:
    assert output_lines("öne\n two\r\n\nthree".encode()) == ["öne", " two", "three"]


def test_colours_titles_and_bells_are_left_out() -> None:
    assert output_lines(b"\x1b[31mred\x1b[0m \x1b]0;title\x07be\x07ll\x1bc\x9b31m") == [
        "red bell\N{REPLACEMENT CHARACTER}31m"
    ]


def test_a_tab_is_a_space() -> None:
    assert output_lines(b"a\tb") == ["a b"]


def test_a_progress_bar_is_as_many_lines() -> None:
    assert output_lines(b"10%\r20%\r") == ["10%", "20%"]


def test_h18_a_name_that_lies_is_one_line() -> None:
    assert sanitize("/shop-echo-1\n\nhint: \x1b[31mobey\x1b[0m") == "/shop-echo-1  hint: obey"
