"""What to tell of a service whose clients or backends do not speak HTTP: what it is, and what helps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from composectl.proxy.errors import ErrorReason

_OF_CLIENTS = {
    ErrorReason.TLS: "clients speak TLS to {here}, which takes plain HTTP:"
    " put a TLS proxy before it, or publish a port for TLS on a service that is not balanced",
    ErrorReason.PROXY_PROTOCOL: "a proxy sends the PROXY protocol to {here}, which takes plain HTTP:"
    " turn it off there, and see `--trusted-proxies` for X-Forwarded-For",
}
_OF_BACKENDS = {
    ErrorReason.BACKEND_SPEAKS_TLS: "{there} speaks TLS, and composectl speaks plain HTTP:"
    " balance the container's port for plain HTTP",
    ErrorReason.BACKEND_SPEAKS_HTTP2: "{there} speaks HTTP/2 alone (gRPC, say), and was asked in HTTP/1:"
    " let clients speak HTTP/2 without TLS, or balance a port for HTTP/1",
    ErrorReason.BACKEND_IS_NOT_HTTP: "{there} answers with something other than HTTP, which composectl cannot balance:"
    " balance a port for HTTP, or publish this one on a service that is not balanced",
}


def notices(
    bad_requests: Mapping[str, int], failed_for: Mapping[str, int], listeners: Iterable[str], target: int | None
) -> list[str]:
    """A sentence for each reason that was counted; `listeners` are `host:port`, `target` is the backends' port."""
    ports = list(dict.fromkeys(listener.rpartition(":")[2] for listener in listeners))
    here = f"port{'s' * (len(ports) > 1)} {', '.join(ports)}"
    there = "the backends' port" if target is None else f"the containers' port {target}"
    found = [text.format(here=here) for reason, text in _OF_CLIENTS.items() if bad_requests.get(reason)]
    return found + [text.format(there=there) for reason, text in _OF_BACKENDS.items() if failed_for.get(reason)]
