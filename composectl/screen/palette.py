"""The few colours of the table; it reads as well without them."""

from rich.style import Style

PLAIN = Style.null()
QUIET = Style.parse("dim")
TITLE = Style.parse("bold")
PLACE = Style.parse("cyan")
DRAWN = Style.parse("cyan")
FAINT = Style.parse("dim cyan")
GOOD = Style.parse("green")
UNEASY = Style.parse("yellow")
BAD = Style.parse("red")

_PHASES = {"starting": PLACE, "ready": GOOD, "failing": BAD, "resting": UNEASY, "draining": UNEASY}


def of_phase(phase: str) -> Style:
    """The colour of a phase; what is over is quiet."""
    return _PHASES.get(phase, QUIET)


def of_count(number: float | None) -> Style:
    """Nothing is quiet."""
    return PLAIN if number else QUIET


def of_errors(number: int) -> Style:
    """Errors are loud, none is quiet."""
    return BAD if number else QUIET
