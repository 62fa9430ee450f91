"""What was found on this machine, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from composectl.screen.harmless import harmless

VERSION = 1

_TICK, _CROSS = "\N{CHECK MARK}", "\N{BALLOT X}"
_PLAIN = {_TICK: "+", _CROSS: "-"}


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was looked at, whether it `is_well`, and a hint if not; `is_needed`: nothing is balanced without it."""

    what: str
    is_well: bool
    found: str
    hint: str = ""
    is_needed: bool = True


def are_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing that is needed is missing."""
    return all(finding.is_well or not finding.is_needed for finding in findings)


def as_text(findings: Sequence[Finding], encoding: str) -> str:
    """A line for each, a second one for its hint; without marks that the encoding does not have."""
    width = max(len(finding.what) for finding in findings)
    return "".join(_lines(finding, width, encoding) for finding in findings)


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The same for machines; the keys are stable."""
    return {"version": VERSION, "is_well": are_well(findings), "findings": [asdict(finding) for finding in findings]}


# Private


def _lines(finding: Finding, width: int, encoding: str) -> str:
    mark = _encodable(_TICK if finding.is_well else _CROSS, encoding)
    hint = f"{'':{width + 4}}hint: {harmless(finding.hint)}\n" if finding.hint else ""
    return f"{mark} {finding.what:{width}}  {harmless(finding.found)}\n{hint}"


def _encodable(mark: str, encoding: str) -> str:
    try:
        mark.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return _PLAIN[mark]
    return mark
