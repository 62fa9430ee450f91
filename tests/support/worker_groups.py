"""Which tests one worker of pytest-xdist runs one after the other: they share what is there once."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "tests/e2e/test_endpoints.py": "an engine of one's own",
    "tests/e2e/resilience/test_engine.py": "an engine of one's own",
    "tests/e2e/test_demo.py": "port 9090",
    "tests/compatibility/test_shapes.py": "the project of a shape",
}
"""The group of each file that has one; every other test may run on any worker."""


class GroupScheduling(LoadScopeScheduling):
    """Gives each test to the worker that is free, and each group to one worker."""

    # Not by the mark `xdist_group`: pytest-xdist 3.8 sets it on an attribute which pytest 9.2 does not read.
    def _split_scope(self, nodeid: str) -> str:
        return GROUPS.get(nodeid.partition("::")[0], nodeid)
