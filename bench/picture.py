"""A picture of bars, as an SVG that fetches nothing and can be read on a light and on a dark ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LEFT, _RIGHT = 760, 150, 130
_TOP, _STEP, _THICK = 62, 34, 20

_FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">
<style>
text {{ font: 14px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }}
.title {{ font-size: 16px; font-weight: 600; }}
.faint {{ fill: #59636e; }}
.bar {{ fill: #9aa4af; }}
.ours {{ fill: #0969da; }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3; }}
.faint {{ fill: #9198a1; }}
.bar {{ fill: #656c76; }}
.ours {{ fill: #4493f8; }}
}}
</style>
<text class="title" x="0" y="18">{title}</text>
<text class="faint" x="0" y="40">{subtitle}</text>
{bars}
</svg>
"""
_BAR = """\
<text x="{name_x}" y="{text_y}" text-anchor="end">{name}</text>
<rect class="{style}" x="{left}" y="{y}" width="{width:.1f}" height="{thick}" rx="3"/>
<text x="{value_x:.1f}" y="{text_y}">{value}</text>"""


@dataclass(frozen=True, slots=True)
class Bar:
    """`text` stands behind the bar; `ours` is the one to look at."""

    name: str
    value: float
    text: str
    ours: bool = False


def picture(title: str, subtitle: str, bars: Sequence[Bar]) -> str:
    """The bars from top to bottom, the longest as long as there is room."""
    longest = max(bar.value for bar in bars)
    drawn = "\n".join(_draw(bar, number, longest) for number, bar in enumerate(bars))
    height = _TOP + _STEP * len(bars)
    return _FRAME.format(width=_WIDTH, height=height, title=escape(title), subtitle=escape(subtitle), bars=drawn)


# Private


def _draw(bar: Bar, number: int, longest: float) -> str:
    width = (_WIDTH - _LEFT - _RIGHT) * bar.value / longest
    y = _TOP + _STEP * number
    return _BAR.format(
        name=escape(bar.name),
        style="ours" if bar.ours else "bar",
        name_x=_LEFT - 10,
        left=_LEFT,
        y=y,
        width=width,
        thick=_THICK,
        value_x=_LEFT + width + 8,
        value=escape(bar.text),
        text_y=y + 15,
    )
