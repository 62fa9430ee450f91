"""The container that we are in, if we are in one: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from composectl.engine.describe import grace_of, labels_of, name_of
from composectl.engine.labels import PROJECT

# Files that the engine makes for each container, mounted there from a folder that is named after it.
_MADE = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}
_FOLDER = re.compile(r"/containers/([0-9a-f]{64})/[a-z.]+")
_SHORT_ID = re.compile(r"[0-9a-f]{12}")
_HOST = "host"


@dataclass(frozen=True, slots=True)
class Own:
    """`project` is "" where Compose did not make it, `networks` the ids of those that it is on, None for the host's."""

    name: str
    project: str
    networks: frozenset[str] | None
    grace: float


def find_own_id(mountinfo: str, hostname: str) -> str:
    """The id of our own container, or its first 12 digits, by what /proc/self/mountinfo tells and by the hostname.

    It may be one that the engine does not know; "" where we are in none.
    """
    for mount in mountinfo.splitlines():
        _, _, _, root, point, *_ = mount.split(" ")
        if point in _MADE and (folder := _FOLDER.search(root)):
            return folder[1]
    return hostname if _SHORT_ID.fullmatch(hostname) else ""


def describe_own(inspect: Mapping[str, Any]) -> Own:
    """Our own container, in an answer of GET /containers/{id}/json."""
    joined = inspect["NetworkSettings"].get("Networks") or {}
    networks = None if _HOST in joined else frozenset((one or {}).get("NetworkID") or "" for one in joined.values())
    return Own(name_of(inspect), labels_of(inspect).get(PROJECT, ""), networks, grace_of(inspect))
