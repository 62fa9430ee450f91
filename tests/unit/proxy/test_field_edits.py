"""Headers that are set or removed, in requests and in responses, whatever the other side makes of it."""

from __future__ import annotations

import pytest

from composectl.proxy.field_edits import FieldEdit, FieldEdits
from composectl.proxy.head import request_head
from tests.support.backends import answers
from tests.support.http2_backend import OK as OK_FIELDS
from tests.support.http2_client import GET as GET_FIELDS
from tests.support.http2_stage import http2, wire_of
from tests.support.messages import get
from tests.support.proxy_fixture import OpenStage
from tests.support.stream_websocket import open_websocket
from tests.support.websocket_peers import serving

SET = FieldEdit(b"X-Env", b"production")
REMOVED = FieldEdit(b"X-User", b"")
EDITS = (SET, REMOVED)
ANSWER = b"HTTP/1.1 200 OK\r\nServer: secret/1.0\r\nX-Env: test\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], []),
        ([(b"A", b"1")], [(b"A", b"1")]),
        ([(b"x-env", b"test"), (b"X-ENV", b"dev")], []),
        ([(b"X_Env", b"test"), (b"x_user", b"root")], []),
        ([(b"X-User", b"root"), (b"X-User-Id", b"7")], [(b"X-User-Id", b"7")]),
    ],
)
def test_a_field_is_replaced_or_removed_however_it_is_spelt(
    before: list[tuple[bytes, bytes]], after: list[tuple[bytes, bytes]]
) -> None:
    assert FieldEdits(EDITS).apply(before) == [*after, (b"X-Env", b"production")]


def test_what_is_shown_of_an_edit_has_no_value() -> None:
    assert "hunter2" not in str(FieldEdit(b"Authorization", b"Bearer hunter2"))
    assert str(FieldEdit(b"A", b"1")) != str(FieldEdit(b"A", b"2"))
    assert str(REMOVED) == "X-User="


def test_a_client_cannot_have_a_field_taken_away_as_one_of_its_connection() -> None:
    fields = [(b"Host", b"a"), (b"Connection", b"X-Env, X-User"), (b"X-User", b"root")]
    head = request_head(b"GET", b"/", "1.1", fields, b"Via: 1.1 x\r\nX-Forwarded-Host: ")
    head.edit(FieldEdits(EDITS))
    assert head.fields == [(b"X-Env", b"production")]
    assert b"\r\nX-Env: production\r\n" in head.data
    assert b"root" not in head.data


async def test_a_backend_gets_the_edited_request(open_stage: OpenStage) -> None:
    stage = await open_stage(request_edits=FieldEdits(EDITS))
    _, backend = await stage.ask(get("/", "X-Env: test", "x_user: root", "X-Other: 1"))
    head = await backend.head()
    assert b"\r\nX-Env: production\r\n" in head
    assert b"X-Other: 1\r\n" in head
    assert b"root" not in head
    assert b"test" not in head


async def test_a_stream_is_edited_however_its_fields_come(open_stage: OpenStage) -> None:
    stage = await open_stage(request_edits=FieldEdits(EDITS))
    client = await http2(stage)
    root, twin = (b"x-user", b"root"), (b"x_env", b"test")
    streams = [await client.ask([*GET_FIELDS, *more]) for more in ([root], [root], [(b"x-trace", b"1"), twin], [twin])]
    wire = await wire_of(stage)
    for number, stream in enumerate(streams):
        asked = await wire.request(number)
        assert asked.fields[b"x-env"] == b"production"
        assert not {b"x-user", b"x_env"} & asked.fields.keys()
        await wire.answer(asked.stream_id, OK_FIELDS)
        await client.until_over(stream)


async def test_a_client_gets_the_edited_response(open_stage: OpenStage) -> None:
    stage = await open_stage(response_edits=FieldEdits((SET, FieldEdit(b"Server", b""))))
    stage.backend.play(answers(ANSWER))
    client = await stage.client()
    await client.send(get("/"))
    head = await client.until(b"ok")
    assert b"\r\nX-Env: production\r\n" in head
    assert b"test" not in head
    assert b"secret" not in head
    heard = await (await http2(stage)).answer(GET_FIELDS)
    assert (heard.fields[b"x-env"], heard.body) == (b"production", b"ok")
    assert b"server" not in heard.fields


async def test_the_head_of_a_websocket_is_edited(open_stage: OpenStage) -> None:
    stage = await open_stage(request_edits=FieldEdits(EDITS), response_edits=FieldEdits((SET,)))
    async with serving(stage.backend) as heard:
        client = await http2(stage)
        await client.read()
        socket = await open_websocket(client)
        assert socket.heard.fields[b"x-env"] == b"production"
        assert await socket.close(1000) == 1000
    assert heard[0].headers["X-Env"] == "production"
