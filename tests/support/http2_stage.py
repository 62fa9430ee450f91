"""Both sides of a proxy fixture that speak HTTP/2."""

from __future__ import annotations

from tests.support.http2_backend import Http2Wire
from tests.support.http2_client import Http2Client
from tests.support.proxy_fixture import ProxyFixture


async def http2(stage: ProxyFixture, *, receive_buffer: int = 0) -> Http2Client:
    """A client that has begun to speak HTTP/2."""
    client = Http2Client(await stage.client(receive_buffer=receive_buffer))
    await client.start()
    return client


async def wire_of(stage: ProxyFixture, number: int = 0) -> Http2Wire:
    """The next connection that the proxy makes to the backend of this number."""
    wire = Http2Wire(await stage.backends[number].accept())
    await wire.start()
    return wire
