"""A part of a core for each of some threads: a control group for each, of the kernel's controller `cpu` (version 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

_CONTROLLER = Path("/sys/fs/cgroup/cpu")
_PERIOD = 20_000  # microseconds
_MOST_SHARES = 262_144  # before what else the machine does


def leaves(pid: int) -> list[int]:
    """The threads of those descendants of a process that have no children, or its own: they do the work."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it, or one of its threads, has just ended
        return []
    if not children:
        return [int(task.name) for task in tasks]
    return [thread for child in children for thread in leaves(child)]


@contextmanager
def limited(threads: Sequence[int], share: float) -> Iterator[None]:
    """Meanwhile, each of these may use so much of a core. Raises SystemExit where it cannot be told so."""
    with ExitStack() as stack:
        for thread in threads:
            stack.enter_context(_group(thread, share))
        yield


# Private


@contextmanager
def _group(thread: int, share: float) -> Iterator[None]:
    group = _CONTROLLER / f"bench-{thread}"
    try:
        group.mkdir()
    except OSError as error:
        hint = "run it as root on a machine with control groups of version 1, or name other parts with `--only`"
        raise SystemExit(f"error: cannot limit what a thread uses: {error.strerror}\n\nhint: {hint}") from None
    try:
        (group / "cpu.shares").write_text(f"{_MOST_SHARES}")  # as `cores.in_place` does for the load
        (group / "cpu.cfs_period_us").write_text(f"{_PERIOD}")
        (group / "cpu.cfs_quota_us").write_text(f"{int(share * _PERIOD)}")
        (group / "tasks").write_text(f"{thread}")
        yield
    finally:
        (_CONTROLLER / "tasks").write_text(f"{thread}")
        group.rmdir()
