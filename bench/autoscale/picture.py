"""Curves of load and replicas over time, as an SVG that fetches nothing and can be read on light and on dark ground."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

Point = tuple[float, float, int, int]
"""A second, the load in flight and queued, and the desired and the ready replicas."""

_WIDTH, _LEFT, _RIGHT, _TOP, _HEIGHT, _GAP = 760, 44, 44, 70, 90, 34
_FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">
<style>
text {{ font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }}
.title {{ font-size: 16px; font-weight: 600; }}
.faint {{ fill: #59636e; }}
.load {{ fill: #9aa4af; fill-opacity: .45; }}
.desired, .ready {{ fill: none; stroke: #0969da; stroke-width: 1.6; }}
.desired {{ stroke: #bc4c00; stroke-dasharray: 4 3; }}
.axis {{ stroke: #9aa4af; stroke-width: 1; }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3; }}
.faint {{ fill: #9198a1; }}
.load {{ fill: #656c76; }}
.ready {{ stroke: #4493f8; }}
.desired {{ stroke: #f0883e; }}
}}
</style>
<text class="title" x="0" y="18">{title}</text>
<rect class="load" x="0" y="32" width="22" height="12"/><text x="28" y="43">in flight and queued</text>
<path class="desired" d="M180 38h24"/><text x="210" y="43">desired replicas</text>
<path class="ready" d="M340 38h24"/><text x="370" y="43">ready replicas</text>
{charts}
</svg>
"""


def picture(title: str, curves: Mapping[str, Sequence[Point]], seconds: float) -> str:
    """A chart for each name, one below the other; the load is to the scale on the left, replicas to the right one."""
    charts = "\n".join(
        _chart(name, points, _TOP + number * (_HEIGHT + _GAP), seconds)
        for number, (name, points) in enumerate(curves.items())
    )
    height = _TOP + len(curves) * (_HEIGHT + _GAP)
    return _FRAME.format(width=_WIDTH, height=height, title=escape(title), charts=charts)


# Private


def _chart(name: str, points: Sequence[Point], top: int, seconds: float) -> str:
    points = [point for point in points if point[0] <= seconds]
    load = max(1.0, *(point[1] for point in points))
    replicas = max(1, *(max(point[2:]) for point in points))
    bottom = top + _HEIGHT
    area = _line(((at, load_at / load) for at, load_at, _, _ in points), bottom, seconds)
    lines = {
        "desired": _line(((point[0], point[2] / replicas) for point in points), bottom, seconds, steps=True),
        "ready": _line(((point[0], point[3] / replicas) for point in points), bottom, seconds, steps=True),
    }
    right = _WIDTH - _RIGHT
    return "\n".join(
        [
            f'<text class="faint" x="{_LEFT}" y="{top - 5}">{escape(name)}</text>',
            f'<path class="load" d="{area}L{right} {bottom}L{_LEFT} {bottom}Z"/>',
            *(f'<path class="{kind}" d="{line}"/>' for kind, line in lines.items()),
            f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>',
            f'<text class="faint" x="{_LEFT - 6}" y="{top + 12}" text-anchor="end">{load:.0f}</text>',
            f'<text class="faint" x="{right + 6}" y="{top + 12}">{replicas}</text>',
        ]
    )


def _line(points: Iterable[tuple[float, float]], bottom: int, seconds: float, *, steps: bool = False) -> str:
    """A path through shares of the height."""
    words: list[str] = []
    last = ""
    for at, share in points:
        x, y = _LEFT + (_WIDTH - _LEFT - _RIGHT) * at / seconds, f"{bottom - _HEIGHT * share:.1f}"
        if not words:
            words.append(f"M{x:.1f} {y}")
        elif not steps:
            words.append(f"L{x:.1f} {y}")
        elif y != last:
            words.append(f"H{x:.1f}V{y}")
        last = y
    if steps:
        words.append(f"H{_WIDTH - _RIGHT}")
    return "".join(words)
