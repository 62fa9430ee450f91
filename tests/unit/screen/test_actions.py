"""What keys ask for, carried out beside the drawing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from queue import SimpleQueue
from threading import Event
from typing import Any

from composectl.errors import ComposectlError
from composectl.screen.actions import Actions, Keys, LogFeed, LogLine
from tests.support.wait import wait_until_async


class Line:
    def __init__(self, text: str) -> None:
        self.service, self.number, self.text, self.after_gap = "echo", 1, text, False


class Feed:
    """Yields what is put into it, until it is closed."""

    def __init__(self) -> None:
        self.lines: SimpleQueue[LogLine | None] = SimpleQueue()
        self.is_closed = False

    def __iter__(self) -> Iterator[LogLine]:
        while (line := self.lines.get()) is not None:
            yield line
        if self.is_closed:
            raise ComposectlError("composectl has ended")

    def close(self) -> None:
        self.is_closed = True
        self.lines.put(None)


class Controls:
    """`asked`: what was asked for, in order; a scale goes on until `ready` is set."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int | None]] = []
        self.ready = Event()
        self.feeds: list[Feed] = []

    def scale(self, service: str, count: int) -> Iterator[str]:
        self.asked.append(("scale", service, count))
        yield f"{service}: scaling"
        self.ready.wait(60)

    def drain(self, service: str, number: int) -> Iterator[str]:
        self.asked.append(("drain", service, number))
        yield "echo-1 drained"

    def undrain(self, service: str, number: int) -> Iterator[str]:
        raise ComposectlError("`echo-1` is not drained", "look at `composectl status`")

    def rollout(self, service: str) -> Iterator[str]:
        raise ComposectlError("composectl has ended")

    def logs(self, service: str, number: int | None) -> LogFeed:
        self.asked.append(("logs", service, number))
        self.feeds.append(Feed())
        return self.feeds[-1]


class Table:
    """Takes what is sent while it is `ready`."""

    def __init__(self) -> None:
        self.controls = Controls()
        self.sent: list[Mapping[str, Any]] = []
        self.left = 0
        self.is_ready = True
        self.actions = Actions(Keys(self.controls, self.leave, ends=False), self.take)

    def take(self, payload: Mapping[str, Any]) -> bool:
        if self.is_ready:
            self.sent.append(payload)
        return self.is_ready

    def leave(self) -> None:
        self.left += 1

    def run(self, kind: str, number: int | None = None, pane: int = 0) -> None:
        self.actions.run(kind, "echo", number, pane)

    @property
    def told(self) -> list[tuple[str, bool]]:
        return [(each["text"], each["is_error"]) for each in self.sent if each["does"] == "tell" and each["text"]]

    @property
    def lines(self) -> list[str]:
        return [line["text"] for each in self.sent if each["does"] == "log" for line in each["lines"]]


async def test_progress_is_told() -> None:
    table = Table()
    table.run("drain", 1)
    await wait_until_async(lambda: table.told == [("echo-1 drained", False)])
    assert table.controls.asked == [("drain", "echo", 1)]


async def test_an_error_is_told_with_its_hint() -> None:
    table = Table()
    table.run("undrain", 1)
    table.run("rollout")
    await wait_until_async(lambda: len(table.told) == 2)
    assert set(table.told) == {
        ("`echo-1` is not drained (look at `composectl status`)", True),
        ("composectl has ended", True),
    }


async def test_of_the_scales_that_wait_the_newest_alone_is_asked_for() -> None:
    table = Table()
    table.run("scale", 4)
    await wait_until_async(lambda: table.told)
    for count in (5, 6, 7):
        table.run("scale", count)
    table.controls.ready.set()
    await wait_until_async(lambda: table.sent[-1]["scaled_service"] == "echo")
    assert table.controls.asked == [("scale", "echo", 4), ("scale", "echo", 7)]
    assert sum(each["scaled_service"] == "echo" for each in table.sent) == 1


async def test_lines_of_logs_are_passed_on_for_their_pane() -> None:
    table = Table()
    table.run("logs", None, pane=3)
    await wait_until_async(lambda: table.controls.feeds)
    table.controls.feeds[0].lines.put(Line("one"))
    await wait_until_async(lambda: table.lines == ["one"])
    assert table.sent[0]["pane"] == 3
    assert table.sent[0]["lines"] == [{"source": "echo-1", "text": "one", "after_gap": False}]
    table.actions.close()


async def test_another_log_ends_the_first_without_a_word() -> None:
    table = Table()
    table.run("logs", 1, pane=1)
    await wait_until_async(lambda: table.controls.feeds)
    table.run("logs", 2, pane=2)
    await wait_until_async(lambda: len(table.controls.feeds) == 2)
    first, second = table.controls.feeds
    assert first.is_closed
    second.lines.put(Line("of the second"))
    await wait_until_async(lambda: table.lines == ["of the second"])
    table.run("hide logs")
    assert second.is_closed
    assert table.told == []


async def test_a_table_that_takes_nothing_gets_the_newest_lines_later() -> None:
    table = Table()
    table.is_ready = False
    table.run("logs", 1, pane=1)
    await wait_until_async(lambda: table.controls.feeds)
    for number in range(3000):
        table.controls.feeds[0].lines.put(Line(str(number)))
    await wait_until_async(lambda: table.controls.feeds[0].lines.empty())
    await asyncio.sleep(0.2)
    table.is_ready = True
    await wait_until_async(lambda: table.lines)
    assert table.lines == [str(number) for number in range(2000, 3000)]
    table.actions.close()


async def test_quit_leaves() -> None:
    table = Table()
    table.run("quit")
    assert table.left == 1
