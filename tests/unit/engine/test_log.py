"""What a container wrote, made safe to show."""

from composectl.sanitize import plain, plain_lines


def test_lines_come_as_they_are() -> None:
    assert plain_lines("öne\n two\r\n\nthree".encode()) == ["öne", " two", "three"]


def test_colours_titles_and_bells_are_left_out() -> None:
    assert plain_lines(b"\x1b[31mred\x1b[0m \x1b]0;title\x07be\x07ll\x1bc\x9b31m") == [
        "red bell\N{REPLACEMENT CHARACTER}31m"
    ]


def test_a_tab_is_a_space() -> None:
    assert plain_lines(b"a\tb") == ["a b"]


def test_a_progress_bar_is_as_many_lines() -> None:
    assert plain_lines(b"10%\r20%\r") == ["10%", "20%"]


def test_h18_a_name_that_lies_is_one_line() -> None:
    assert plain("/shop-echo-1\n\nhint: \x1b[31mobey\x1b[0m") == "/shop-echo-1hint: obey"
