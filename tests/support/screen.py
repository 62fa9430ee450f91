"""What a terminal shows: as much of a VT100 as a live table needs."""

from __future__ import annotations

import re
from itertools import groupby

_TOKEN = re.compile(
    r"\x1b\[(?P<private>\??)(?P<numbers>[\d;]*)(?P<final>[A-Za-z])"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>78]|\x1b[()][0-9A-Z]"
    r"|(?P<control>[\r\n\x08])|(?P<text>[^\x00-\x1f\x7f]+)"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[\d;?]*|\][^\x07\x1b]*|[()])?\Z")


class Screen:
    """Takes what a program writes; `lines` is what is then to be seen."""

    def __init__(self, rows: int, columns: int) -> None:
        self._rows = rows
        self._columns = columns
        self._rest = ""
        self._main: list[list[str]] = []
        self._style = ""  # as the numbers of SGR, ECMA-48
        self._erase_all()

    @property
    def lines(self) -> list[str]:
        return ["".join(cell[0] for cell in row).rstrip() for row in self._cells]

    @property
    def styled_lines(self) -> list[str]:
        """The same with the escape sequences that colour it."""
        runs = [groupby(row, key=lambda cell: cell[1:]) for row in self._cells]
        return [
            "".join(f"\x1b[0;{style}m{''.join(cell[0] for cell in cells)}\x1b[0m" for style, cells in row)
            for row in runs
        ]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def feed(self, written: str) -> None:
        written = self._rest + written
        unfinished = _UNFINISHED.search(written)
        end = unfinished.start() if unfinished else len(written)
        self._rest = written[end:]
        for token in _TOKEN.finditer(written, 0, end):
            if token["final"]:
                numbers = [int(number or 0) for number in token["numbers"].split(";")]
                self._obey(token["private"] + token["final"], numbers)
            elif token["control"]:
                self._move(token["control"])
            else:
                self._print(token["text"] or "")

    # Private

    def _print(self, text: str) -> None:
        for character in text:
            if self._column == self._columns:
                self._move("\r")
                self._move("\n")
            self._cells[self._row][self._column] = character + self._style
            self._column += 1

    def _move(self, control: str) -> None:
        if control == "\r":
            self._column = 0
        elif control == "\x08":
            self._column = max(0, self._column - 1)
        elif self._row == self._rows - 1:
            self._cells = [*self._cells[1:], self._blank()]
        else:
            self._row += 1

    def _obey(self, command: str, numbers: list[int]) -> None:
        first = numbers[0]
        match command:
            case "A":
                self._row = max(0, self._row - max(1, first))
            case "B":
                self._row = min(self._rows - 1, self._row + max(1, first))
            case "G":
                self._column = max(0, first - 1)
            case "H":
                self._row = max(0, first - 1)
                self._column = max(0, numbers[-1] - 1) if len(numbers) > 1 else 0
            case "J":
                self._erase_down() if first == 0 else self._erase_all()
            case "K":
                start = 0 if first else self._column
                self._cells[self._row][start:] = [" "] * (self._columns - start)
            case "m":
                self._style = ";".join(map(str, numbers)) if first else ""
            case "?h" if first == 1049:
                self._main = self._cells
                self._erase_all()
            case "?l" if first == 1049:
                self._cells = self._main

    def _erase_all(self) -> None:
        self._row = self._column = 0
        self._cells = [self._blank() for _ in range(self._rows)]

    def _erase_down(self) -> None:
        self._cells[self._row][self._column :] = [" "] * (self._columns - self._column)
        for row in range(self._row + 1, self._rows):
            self._cells[row] = self._blank()

    def _blank(self) -> list[str]:
        return [" "] * self._columns
