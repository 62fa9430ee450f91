"""What a stream leaves: nothing that the garbage collector has to find."""

from __future__ import annotations

import gc

import pytest

from composectl.proxy.exchange import Exchange
from tests.support.http2_backend import OK, Http2Wire
from tests.support.http2_client import GET, Http2Client
from tests.support.proxy_fixture import ProxyFixture


@pytest.mark.usefixtures("_no_collector")
async def test_an_exchange_goes_with_its_stream(stage: ProxyFixture) -> None:
    client = Http2Client(await stage.client())
    await client.start()
    streams = [await client.ask(GET) for _ in range(3)]
    wire = Http2Wire(await stage.backend.accept())
    await wire.start()
    for number in range(3):
        await wire.answer((await wire.request(number)).stream_id, OK, b"ok")
    for stream_id in streams:
        assert (await client.until_over(stream_id)).status == 200
    left = await client.ask(GET)
    asked = await wire.request(3)
    client.connection.reset_stream(left)
    await client.flush()
    while asked.reset is None:
        await wire.read()
    assert not [found for found in gc.get_objects() if isinstance(found, Exchange)]
