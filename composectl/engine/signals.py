"""The numbers of Linux's signals: a container's are Linux's, wherever composectl runs."""

KILL = 9
TERM = 15

# fmt: off
_FROM_1 = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
]
# fmt: on
_NUMBERS = {name: number for number, name in enumerate(_FROM_1, start=1)}
_NUMBERS |= {f"RTMIN+{n}": 34 + n for n in range(1, 16)} | {f"RTMAX-{n}": 64 - n for n in range(1, 15)}
_NUMBERS |= {"RTMIN": 34, "RTMAX": 64}


def signal_number(text: str) -> int:
    """The number of `SIGTERM`, `TERM` or `15`, as Docker takes them; 0 for what is no signal."""
    if text.isdecimal():
        return int(text)
    return _NUMBERS.get(text.upper().removeprefix("SIG"), 0)
