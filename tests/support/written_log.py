"""An access log whose records a test can look at."""

from __future__ import annotations

from composectl.proxy.access_log import AccessLog
from composectl.proxy.access_log_format import AccessRecord
from tests.support.proxy_fixture import ProxyFixture
from tests.support.wait import wait_until_async


class Written:
    """A writer that keeps what it gets; `stuck` where it never gets on with it."""

    def __init__(self, *, stuck: bool = False) -> None:
        self._noted: list[AccessRecord] = []
        self.entries: list[AccessRecord] = []
        self.orders: list[str] = []
        self.lost = 0
        self.last_error = ""
        self._stuck = stuck

    @property
    def written(self) -> int:
        return 0 if self._stuck else len(self.entries)

    @property
    def waiting(self) -> int:
        return len(self.entries) - self.written

    def line(self, entry: AccessRecord) -> str:
        """What the log makes of an entry: here it stands for it."""
        self._noted.append(entry)
        return str(len(self._noted) - 1)

    def write(self, lines: list[str]) -> None:
        self.entries += (self._noted[int(line)] for line in lines)

    def reopen(self) -> None:
        self.orders.append("reopen")

    def close(self) -> None:
        self.orders.append("close")


class Logged:
    """A stage with a log, and what stands in it."""

    def __init__(self, stage: ProxyFixture, log: AccessLog, written: Written) -> None:
        self.stage = stage
        self.log = log
        self._written = written

    def entries(self) -> list[AccessRecord]:
        self.log.flush()
        return self._written.entries

    async def only(self) -> AccessRecord:
        """The only entry, once it is there."""
        await wait_until_async(self.entries)
        (entry,) = self.entries()
        return entry
