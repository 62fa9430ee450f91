"""Which `Host` is ours: a page of another site can have its own name lead to us (DNS rebinding), but not an address."""

from __future__ import annotations

from ipaddress import ip_address

# The second one is what containers call the machine that they are on.
_OURS = frozenset({"localhost", "host.docker.internal"})


def is_ours(host: str | None, *names: str) -> bool:
    """Whether a request with this `Host` may be meant for us, who are also called by `names`.

    Browsers always send one.
    """
    if host is None:
        return True
    name = _without_port(host).lower()
    return _is_address(name) or name in _OURS or name in {one.lower() for one in names if one}


# Private


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
