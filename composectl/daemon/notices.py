"""What to tell of a service whose clients or backends do not speak HTTP: what it is, and what helps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from composectl.proxy.errors import ErrorReason

_OF_CLIENTS = {
    ErrorReason.TLS: "clients speak TLS to {here}, which takes plain HTTP:"
    " `--protocol tls` passes TLS through to the replicas, and `--tls-cert` ends it here",
    ErrorReason.PLAIN_HTTP: "clients send plain HTTP to {here}, which takes TLS:"
    " `https://` in their addresses is what it expects",
    ErrorReason.NOT_HTTP: "clients of {here} send something other than HTTP:"
    " `--protocol tcp` balances each connection as it is, whatever is spoken over it",
    ErrorReason.NO_PROXY_PROTOCOL: "a trusted proxy does not send the PROXY protocol to {here}:"
    " turn it on there, or omit `--accept-proxy-protocol`",
    ErrorReason.UNTRUSTED_PROXY: "clients connect to {here}, which takes connections of trusted proxies alone:"
    " see `--trusted-proxies`",
    ErrorReason.NOT_TLS: "clients of {here} send something other than TLS where TLS is expected:"
    " `--protocol auto` takes plain HTTP, too, and `--protocol tcp` takes anything",
    ErrorReason.PROXY_PROTOCOL: "a proxy sends the PROXY protocol to {here}, which takes plain HTTP:"
    " turn it off there, or use `--accept-proxy-protocol` and `--trusted-proxies`",
}
_OF_BACKENDS = {
    ErrorReason.BACKEND_SPEAKS_TLS: "{there} speaks TLS, and was asked in plain HTTP:"
    " `--backend-tls` speaks TLS to it, or balance the container's port for plain HTTP",
    ErrorReason.BACKEND_SPEAKS_HTTP1: "{there} speaks HTTP/1 alone, and was called by gRPC:"
    " balance the container's port for gRPC without TLS",
    ErrorReason.BACKEND_SPEAKS_HTTP2: "{there} speaks HTTP/2 alone (gRPC, say), and was asked in HTTP/1:"
    " let clients speak HTTP/2 without TLS, or balance a port for HTTP/1",
    ErrorReason.BACKEND_IS_NOT_HTTP: "{there} answers with something other than HTTP:"
    " `--protocol tcp` balances each connection as it is, whatever is spoken over it",
}


def silence(listeners: Iterable[str], target: int | None) -> str:
    """What to tell where a client has sent nothing for a second, and none has sent anything."""
    protocol = "tcp" if target is None else f"{target}=tcp"
    return (
        f"a client of {_ports(listeners)} has sent nothing yet: if the server is to speak first there,"
        f" as databases and mail servers do, `--protocol {protocol}` balances each connection as it is"
    )


def notices(
    bad_requests: Mapping[str, int], failed_for: Mapping[str, int], listeners: Iterable[str], target: int | None
) -> list[str]:
    """A sentence for each reason that was counted; `listeners` are `host:port`, `target` is the backends' port."""
    here = _ports(listeners)
    there = "the backends' port" if target is None else f"the containers' port {target}"
    found = [text.format(here=here) for reason, text in _OF_CLIENTS.items() if bad_requests.get(reason)]
    return found + [text.format(there=there) for reason, text in _OF_BACKENDS.items() if failed_for.get(reason)]


# Private


def _ports(listeners: Iterable[str]) -> str:
    ports = list(dict.fromkeys(listener.rpartition(":")[2] for listener in listeners))
    return f"port{'s' * (len(ports) > 1)} {', '.join(ports)}"
