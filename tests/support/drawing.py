"""A program that shows a live table of so many backends, their counts rising, until it is interrupted.

`--fault`: making the fourth picture fails; `--lie`: something is said beside each.
"""

import asyncio
import itertools
import json
import signal
import sys

from composectl.screen.live import show_table
from tests.support.snapshots import backend, service, snapshot

_TICKS = itertools.count(1)


def rising(backends: int) -> bytes:
    tick = next(_TICKS)
    if "--lie" in sys.argv:
        sys.stderr.write("it says \x1b[2J\x1b]0;title\x07[red]this\n")
    if tick > 3 and "--fault" in sys.argv:
        raise RuntimeError("no more snapshots")
    each = tuple(backend(number, requests=tick * 1000) for number in range(1, backends + 1))
    return json.dumps(snapshot(service(backends=each)).as_json()).encode()


async def main() -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, over.set)
    await show_table(lambda _: rising(int(sys.argv[1])), over, every=0.02)


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.write("the end\n")
