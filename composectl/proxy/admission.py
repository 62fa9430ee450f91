"""What the limits of a listener say to one request; raises BadHead where it is not to go on."""

from __future__ import annotations

from composectl.proxy.head import BadHead, RequestHead
from composectl.proxy.limits import Limits

_LENGTH = b"Content-Length: "


def admit(head: RequestHead, limits: Limits) -> None:
    """Refuse a host that is not ours (RFC 9110, section 7.4), and a body that says that it is too large."""
    if limits.hosts and _host(head.data) not in limits.hosts:
        raise BadHead(421, "host-not-allowed")
    if limits.body_bytes is not None and head.framing.startswith(_LENGTH):
        admit_body(int(head.framing[len(_LENGTH) :]), limits)


def admit_body(size: int, limits: Limits) -> None:
    """Refuse a body that is, or has become, too large (RFC 9110, section 15.5.14)."""
    if limits.body_bytes is not None and size > limits.body_bytes:
        raise BadHead(413, "body-too-large")


# Private


def _host(head: bytes) -> bytes:
    """The host that goes on to the backend, in lower case and without its port and a dot at the end."""
    host = head.split(b"\r\n", 2)[1].removeprefix(b"Host: ").lower()
    name = host.partition(b"]")[0] + b"]" if host.startswith(b"[") else host.partition(b":")[0]
    return name.removesuffix(b".")
