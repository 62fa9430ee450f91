"""What the access log could not write is told once in a while."""

from __future__ import annotations

from composectl.proxy.access_log import AccessLog, AccessLogMonitor


class Stuck:
    """A writer that loses so much, for a reason."""

    waiting = written = 0

    def __init__(self) -> None:
        self.lost = 0
        self.last_error = ""

    def write(self, lines: list[str]) -> None:
        self.lost += len(lines)

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_nothing_is_told_of_a_log_that_is_written() -> None:
    trouble = AccessLogMonitor(AccessLog(Stuck(), repr))
    assert [trouble.warning() for _ in range(200)] == [""] * 200


def test_the_first_loss_is_reported_at_once_later_ones_together() -> None:
    writer = Stuck()
    trouble = AccessLogMonitor(AccessLog(writer, repr), every=3)
    writer.lost = 1
    assert trouble.warning() == "access log: dropped 1 line: reader too slow"
    warnings = []
    for _ in range(8):
        writer.lost += 1000
        warnings.append(trouble.warning())
    assert [warning for warning in warnings if warning] == [
        "access log: dropped 4,000 lines: reader too slow",
        "access log: dropped 4,000 lines: reader too slow",
    ]


def test_a_reason_is_reported_even_if_nothing_was_lost() -> None:
    writer = Stuck()
    trouble = AccessLogMonitor(AccessLog(writer, repr))
    writer.last_error = "Permission denied"
    assert trouble.warning() == "access log: Permission denied"
    assert trouble.warning() == ""
