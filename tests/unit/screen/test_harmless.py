"""Text that others chose cannot steer the terminal."""

import time

import pytest

from composectl.sanitize import harmless, harmless_lines


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
    assert harmless(hostile) == left


def test_what_is_left_is_always_printable() -> None:
    assert harmless("".join(map(chr, range(0x3000)))).isprintable()


def test_h18_lines_of_ours_stay_lines() -> None:
    assert harmless_lines("stopped:\n  \x1b[31mred\x1b[0m\ttab\n") == "stopped:\n  red tab\n"


def test_a_long_text_is_cut() -> None:
    assert len(harmless("x" * 1_000_000)) == 10_000


@pytest.mark.parametrize("piece", ["\x1b]", "\x1b[", "\x1b", "\x9b", "\x1b]\x1b\\"])
def test_no_text_takes_long(piece: str) -> None:
    started = time.process_time()
    harmless(piece * 10_000)
    assert time.process_time() - started < 0.1
