"""A notice is told once, and goes when its cause has not been seen for a while."""

from __future__ import annotations

from composectl.daemon.notice_board import NoticeBoard


def board() -> tuple[NoticeBoard, list[str]]:
    told: list[str] = []
    return NoticeBoard(told.append), told


def test_it_is_told_once_while_its_cause_goes_on() -> None:
    notices, told = board()
    for now in range(0, 3000, 500):
        notices.sweep(["tls"], now)
    assert notices.sentences == ("tls",)
    assert told == ["tls"]


def test_it_goes_ten_minutes_after_its_cause_and_is_told_again_if_that_comes_back() -> None:
    notices, told = board()
    notices.sweep(["tls"], 0)
    notices.sweep([], 599)
    assert notices.sentences == ("tls",)
    notices.sweep([], 600)
    assert notices.sentences == ()
    notices.sweep(["tls"], 700)
    assert told == ["tls", "tls"]


def test_what_was_added_for_good_stays() -> None:
    notices, told = board()
    notices.add("forwarding")
    notices.add("forwarding")
    notices.sweep([], 1e9)
    assert notices.sentences == tuple(told) == ("forwarding",)
