"""A clock that a busy machine slows down: it counts the CPU time that a process gets which always wants some."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from bisect import bisect
from types import TracebackType

from tests.support.paths import ROOT

_STEP = 0.001


class CpuClock:
    """Runs within the `with` block; on a machine with a core to spare, its seconds are those on the wall."""

    def __enter__(self) -> CpuClock:
        command = [sys.executable, "-m", "tests.support.cpu_clock"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout
        assert self._process.stdout.readline() == "began\n"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        readings, _ = self._process.communicate("")
        pairs = [line.split() for line in readings.splitlines()]
        self._moments = [float(moment) for moment, _ in pairs]
        self._used = [float(used) for _, used in pairs]

    def between(self, earlier: float, later: float) -> float:
        """Its seconds between two moments within the block, which are in epoch seconds; once the block is left."""
        return self._at(later) - self._at(earlier)

    # Private

    def _at(self, moment: float) -> float:
        return self._used[max(0, bisect(self._moments, moment) - 1)]


def main() -> None:
    """Until standard input ends, use up all the time that there is; print when how much was used."""
    readings = [(time.time(), time.process_time())]
    sys.stdout.write("began\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 0)[0]:
        until = readings[-1][1] + _STEP
        while (used := time.process_time()) < until:
            pass
        readings.append((time.time(), used))
    sys.stdout.writelines(f"{moment} {used}\n" for moment, used in readings)


if __name__ == "__main__":
    main()
