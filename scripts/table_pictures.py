"""The keys of the live table as SVGs, from a real run in 80 x 24: `python scripts/table_pictures.py FOLDER`.

It is run beside a compose file whose service `echo` answers HTTP at port 9090 and logs each request.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from picture import picture_of_screen

from tests.support.terminal import Terminal

COMMAND = ("composectl", "up", "--balance", "echo=4")
ROWS, COLUMNS = 24, 80
DOWN = "\x1b[B"
PATHS = ("", "?page=2", "cgi-bin/index.cgi", "?sleep=0.02")


def main(folder: Path) -> None:
    over = Event()
    with Terminal(COMMAND, Path.cwd(), os.environ, ROWS, COLUMNS) as terminal:
        shows(terminal, lambda text: "4/4 ready" in text and "? keys" in text)
        clients = [Thread(target=ask, args=(over, at)) for at in range(4)]
        for client in clients:
            client.start()
        watch(terminal, 20)

        terminal.type("+")
        shows(terminal, lambda text: "5/5 ready" in text and "5 of 5 ready" in text)
        watch(terminal, 3)
        terminal.type("-")
        shows(terminal, lambda text: "press - again" in text)
        save(terminal, folder / "table-scale.svg")
        terminal.type("-")
        shows(terminal, lambda text: "4/4 ready" in text and "4 of 4 ready" in text)

        for _ in range(2):
            terminal.type(DOWN)
        terminal.type("d")
        shows(terminal, lambda text: "press d again" in text)
        terminal.type("d")
        shows(terminal, lambda text: "drained, nothing in flight" in text and "maintenance  " in text)
        watch(terminal, 2)
        save(terminal, folder / "table-drain.svg")
        terminal.type("d")
        shows(terminal, lambda text: "maintenance  " not in text.partition("\n\n")[2].partition("\n\n")[0])

        terminal.type("L")
        shows(terminal, lambda text: "url:/" in text)
        watch(terminal, 5)
        save(terminal, folder / "table-logs.svg")
        over.set()
        for client in clients:
            client.join()
        terminal.type("q")
        shows(terminal, lambda text: "press q again" in text)
        terminal.type("q")
        terminal.end()


def ask(over: Event, at: int) -> None:
    """Ask again and again, each client at its own pace."""
    while not over.is_set():
        with urlopen(f"http://localhost:9090/{PATHS[at]}", timeout=10) as response:
            response.read()
        over.wait(0.05 * (at + 1))


def shows(terminal: Terminal, expected: Callable[[str], bool]) -> None:
    assert terminal.shows(expected), terminal.screen.text


def watch(terminal: Terminal, seconds: float) -> None:
    """Let it be drawn for a while: a terminal that is not read stops what writes to it."""
    terminal.shows(lambda _: False, within=seconds)


def save(terminal: Terminal, path: Path) -> None:
    path.write_text(picture_of_screen(terminal.screen.styled_lines, " ".join(COMMAND), COLUMNS))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
