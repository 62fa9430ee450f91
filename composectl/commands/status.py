"""`composectl status`: what the running composectl knows, as a table or as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

from composectl import errors
from composectl.balance.snapshot import Snapshot
from composectl.commands.invocation import Invocation
from composectl.commands.locating import find_running


def status(invocation: Invocation, service: str | None, *, as_json: bool) -> int:
    """Print the snapshot of the project's composectl, or of one of its services. Raises ComposectlError."""
    snapshot = _only(Snapshot.from_json(find_running(invocation).status()), service)
    if as_json:
        sys.stdout.write(json.dumps(snapshot.as_json(), indent=2) + "\n")
    else:
        from composectl.screen.live import print_table

        print_table(snapshot)
    return 0


# Private


def _only(snapshot: Snapshot, service: str | None) -> Snapshot:
    if service is None:
        return snapshot
    found = tuple(one for one in snapshot.services if one.service == service)
    if not found:
        raise errors.not_balanced(service, (one.service for one in snapshot.services))
    return replace(snapshot, services=found)
