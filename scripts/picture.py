"""What a terminal shows as an SVG: `composectl status --json | python scripts/picture.py docs/images/table.svg`."""

import io
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from composectl.balance.snapshot import Snapshot
from composectl.screen.table import render_table

TITLE = "composectl up --balance echo=10"
WIDTH = 110

# In the order of the terminal's eight colours, from black to white.
SIGNS = "484f58 f85149 3fb950 d29922 58a6ff bc8cff 39c5cf b1bac4"
GROUND, INK = "0d1117", "c9d1d9"

# Rich's own format fetches a font from a remote host; a picture in a README must not.
FORMAT = """\
<svg viewBox="0 0 {width} {height}" xml:space="preserve" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix, .{unique_id}-title {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
}}
.{unique_id}-matrix {{ font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 17px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def theme() -> TerminalTheme:
    """Colours that are kind to the eye on a dark ground."""
    return TerminalTheme(_rgb(GROUND), _rgb(INK), [_rgb(sign) for sign in SIGNS.split()])


def picture(snapshot: Snapshot, now: float) -> str:
    """The table of `snapshot` as an SVG that fetches nothing."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(render_table(snapshot, now=now, width=WIDTH, height=None))
    return console.export_svg(title=TITLE, theme=theme(), code_format=FORMAT, unique_id="composectl")


def picture_of_screen(lines: Sequence[str], title: str, width: int) -> str:
    """The lines of a terminal, with the escape sequences that colour them, as an SVG that fetches nothing."""
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(Text.from_ansi(line), no_wrap=True, overflow="crop")
    return console.export_svg(title=title, theme=theme(), code_format=FORMAT, unique_id="composectl")


def _rgb(digits: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(Snapshot.from_json(json.load(sys.stdin)), time.time()))
