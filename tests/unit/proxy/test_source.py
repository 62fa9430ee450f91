"""With the policy `source`, a client's address decides where all its requests go."""

from __future__ import annotations

import asyncio
import socket

from composectl.balance.policy import Source
from tests.support.backends import answers
from tests.support.messages import GET, OK
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection


async def home(stage: ProxyFixture, address: str) -> bytes:
    """The backend that a new connection from this address is answered by, as the response names it."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.bind((address, 0))
    await asyncio.get_running_loop().sock_connect(sock, stage.address)
    client = RawConnection(sock)
    await client.send(GET)
    head = await client.head()
    client.close()
    return head.partition(b"X-Internal-Service: ")[2].partition(b"\r\n")[0]


async def test_an_address_leads_to_one_backend_and_many_to_several(
    open_stage: OpenStage,
) -> None:
    stage = await open_stage(3, policy=Source)
    for backend in stage.backends:
        backend.play(answers(OK))
    addresses = [f"127.0.1.{number}" for number in range(1, 21)]
    homes = {address: await home(stage, address) for address in addresses}
    assert len(set(homes.values())) == 3
    for _ in range(3):
        assert {address: await home(stage, address) for address in addresses} == homes


async def test_addresses_of_a_dead_backend_move_and_others_stay(open_stage: OpenStage) -> None:
    stage = await open_stage(3, policy=Source)
    for backend in stage.backends:
        backend.play(answers(OK))
    addresses = [f"127.0.1.{number}" for number in range(1, 21)]
    before = {address: await home(stage, address) for address in addresses}
    await stage.backends[0].die()
    dead = stage.backends[0].address.encode()
    after = {address: await home(stage, address) for address in addresses}
    assert dead not in after.values()
    assert {address for address in addresses if after[address] != before[address]} == {
        address for address in addresses if before[address] == dead
    }
