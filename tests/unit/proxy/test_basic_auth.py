"""Basic authentication: users with the right password are answered, others are asked for one."""

from __future__ import annotations

import asyncio
import threading
import time
from base64 import b64encode
from pathlib import Path

import bcrypt
import pytest

from composectl.errors import USAGE, ComposectlError
from composectl.proxy import basic_auth as module
from composectl.proxy.field_edits import FieldEdit, FieldEdits
from composectl.proxy.guards import make_guards
from composectl.proxy.limits import GuardConfig
from tests.support.backends import answers
from tests.support.http2_client import GET as GET_FIELDS
from tests.support.http2_stage import http2
from tests.support.messages import GET, OK, get, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.wait import wait_until_async
from tests.unit.proxy.test_guards import asked


def line(user: str, password: str) -> str:
    return f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"


def basic(user: str, password: str) -> bytes:
    return b"Basic " + b64encode(f"{user}:{password}".encode())


def by(user: str, password: str, *more: str) -> bytes:
    return get("/", f"Authorization: {basic(user, password).decode()}", *more)


ANN = by("ann", "secret")


def write(path: Path, text: str) -> None:
    """At once: a file that is cut first, and then written, would be seen empty."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    path.write_text(line("ann", "secret") + line("bob", "a:b \u00e9"))
    return path


async def guarded(open_stage: OpenStage, users: Path, **how: object) -> ProxyFixture:
    stage = await open_stage(1, guards=GuardConfig(basic_auth=str(users)), **how)
    stage.backend.play(answers(OK))
    return stage


async def test_a_client_without_a_password_is_asked_for_one(open_stage: OpenStage, users: Path) -> None:
    stage = await guarded(open_stage, users)
    client = await stage.client()
    head = await asked(client)
    assert status(head) == 401
    assert b'\r\nWWW-Authenticate: Basic realm="echo", charset="UTF-8"\r\n' in head
    assert b"X-Composectl-Error: unauthorized\r\n" in head
    assert status(await asked(client, ANN)) == 200
    assert stage.pool.leases.bad_requests == {"unauthorized": 1}


@pytest.mark.parametrize(
    "request_",
    [by("ann", "wrong"), by("eve", "secret"), by("", ""), by("ann", ""), by("bob", "a"), by("ANN", "secret")],
)
async def test_a_wrong_password_is_refused(open_stage: OpenStage, users: Path, request_: bytes) -> None:
    stage = await guarded(open_stage, users)
    assert status(await asked(await stage.client(), request_)) == 401
    assert stage.backend.untouched()


async def test_a_password_may_have_any_characters(open_stage: OpenStage, users: Path) -> None:
    stage = await guarded(open_stage, users)
    assert status(await asked(await stage.client(), by("bob", "a:b \u00e9"))) == 200


@pytest.mark.parametrize(
    "lines",
    [
        ("Authorization: Bearer YW5uOnNlY3JldA==",),
        ("Authorization: Basic",),
        ("Authorization: Basic !!!!",),
        ("Authorization: Basic YW5u",),
        ("Authorization: Basic YW5uOnNlY3JldA==, Basic YW5uOnNlY3JldA==",),
        ("Authorization: Basic YW5uOnNlY3JldA==", "Authorization: Basic YW5uOnNlY3JldA=="),
        ("Proxy-Authorization: Basic YW5uOnNlY3JldA==",),
    ],
)
async def test_what_is_no_password_is_refused(open_stage: OpenStage, users: Path, lines: tuple[str, ...]) -> None:
    stage = await guarded(open_stage, users)
    assert status(await asked(await stage.client(), get("/", *lines))) == 401


async def test_the_scheme_may_be_in_any_case(open_stage: OpenStage, users: Path) -> None:
    stage = await guarded(open_stage, users)
    assert status(await asked(await stage.client(), get("/", "authorization: bAsIc   YW5uOnNlY3JldA=="))) == 200


async def test_a_password_is_checked_once_and_remembered(
    open_stage: OpenStage, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[bytes] = []
    is_password = module.is_password
    monkeypatch.setattr(module, "is_password", lambda *what: checks.append(what[0]) or is_password(*what))
    stage = await guarded(open_stage, users)
    clients = [await stage.client() for _ in range(8)]
    seen = await asyncio.gather(*(asked(client, ANN) for client in clients))
    assert {status(head) for head in seen} == {200}
    assert {status(await asked(client, ANN)) for client in clients} == {200}
    assert checks == [b"secret"]


async def test_a_client_that_fails_too_often_waits(
    open_stage: OpenStage, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic_ns()
    monkeypatch.setattr(module, "monotonic_ns", lambda: now)
    stage = await guarded(open_stage, users)
    client = await stage.client()
    assert status(await asked(client, ANN)) == 200
    seen = [status(await asked(client, by("ann", f"guess {number}"))) for number in range(15)]
    assert seen == [401] * 10 + [429] * 5
    head = await asked(client, by("bob", "a:b \u00e9"))
    assert status(head) == 429
    assert b"Retry-After: 6\r\n" in head
    assert status(await asked(client, ANN)) == 200
    other = by("bob", "a:b \u00e9", "X-Forwarded-For: 192.0.2.1")
    assert status(await asked(client, other)) == 200
    assert stage.pool.leases.bad_requests == {"unauthorized": 10, "too-many-logins": 6}


async def test_so_many_wait_for_a_check_at_most(
    open_stage: OpenStage, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    is_password = module.is_password
    monkeypatch.setattr(module, "is_password", lambda *what: goes_on.wait(60) and is_password(*what))
    stage = await guarded(open_stage, users)
    for number in range(66):
        client = await stage.client()
        await client.send(by("ann", f"guess {number}", f"X-Forwarded-For: 192.0.2.{number}"))
    await wait_until_async(lambda: stage.guards is not None and len(stage.guards.basic_auth._waiting) == 64)
    head = await asked(await stage.client(), by("bob", "a:b \u00e9"))
    assert status(head) == 429
    assert b"X-Composectl-Error: too-many-logins\r\nRetry-After: 1\r\n" in head
    goes_on.set()
    await wait_until_async(lambda: stage.pool.leases.bad_requests["unauthorized"] == 66)


async def test_right_passwords_are_no_failures(open_stage: OpenStage, users: Path) -> None:
    stage = await guarded(open_stage, users)
    client = await stage.client()
    for number in range(30):
        padded = basic("ann", "secret").replace(b"Basic ", b"Basic" + b" " * (number + 1))  # remembered each
        assert status(await asked(client, get("/", f"Authorization: {padded.decode()}"))) == 200


async def test_a_client_that_leaves_while_its_password_is_checked(open_stage: OpenStage, users: Path) -> None:
    stage = await guarded(open_stage, users)
    client = await stage.client()
    await client.send(ANN)
    await wait_until_async(lambda: bool(stage.server.context.connections))
    client.close()
    await wait_until_async(lambda: not stage.server.context.connections)
    assert status(await asked(await stage.client(), ANN)) == 200


async def test_an_upload_waits_for_the_check_and_arrives_whole(open_stage: OpenStage, users: Path) -> None:
    stage = await open_stage(1, guards=GuardConfig(basic_auth=str(users)))
    client = await stage.client()
    body = b"0123456789" * 50_000
    request = post(body).replace(b"\r\n\r\n", b"\r\nAuthorization: %b\r\n\r\n" % basic("ann", "secret"), 1)
    sending = asyncio.create_task(client.send(request))
    backend = await stage.backend.accept()
    await backend.head()
    assert await backend.exactly(len(body)) == body
    await sending
    await backend.send(OK)
    assert status(await client.until(b"ok")) == 200


async def test_requests_in_a_row_are_answered_in_their_order(open_stage: OpenStage, users: Path) -> None:
    stage = await guarded(open_stage, users)
    client = await stage.client()
    await client.send(ANN + GET + by("ann", "wrong") + ANN)
    received = bytearray()
    while received.count(b"HTTP/1.1 ") < 4:
        received += await client.head()
    assert [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]] == [200, 401, 401, 200]


async def test_streams_of_http2_are_checked_each(open_stage: OpenStage, users: Path) -> None:
    stage = await guarded(open_stage, users)
    client = await http2(stage)
    for password, expected in [("wrong", 401), ("secret", 200), ("secret", 200), ("wrong", 401), ("secret", 200)]:
        heard = await client.answer([*GET_FIELDS, (b"authorization", basic("ann", password))])
        assert heard.status == expected
    heard = await client.answer(GET_FIELDS)
    assert heard.status == 401
    assert heard.fields[b"www-authenticate"].startswith(b"Basic ")
    call = await client.answer([*GET_FIELDS, (b"content-type", b"application/grpc")])
    assert call.fields[b"grpc-status"] == b"16"


async def test_a_header_that_is_set_is_no_password(open_stage: OpenStage, users: Path) -> None:
    edits = FieldEdits((FieldEdit(b"Authorization", basic("ann", "secret")),))
    stage = await guarded(open_stage, users, request_edits=edits)
    client = await stage.client()
    assert status(await asked(client)) == 401
    assert status(await asked(client, ANN)) == 200
    heard = await (await http2(stage)).answer(GET_FIELDS)
    assert heard.status == 401


async def test_the_password_need_not_reach_the_backend(open_stage: OpenStage, users: Path) -> None:
    edits = FieldEdits((FieldEdit(b"Authorization", b""),))
    stage = await open_stage(1, guards=GuardConfig(basic_auth=str(users)), request_edits=edits)
    _, backend = await stage.ask(ANN)
    assert b"uthorization" not in await backend.head()


def swept(stage: ProxyFixture) -> tuple[int, int]:
    """Once more a second has passed; how many users there are, and how many troubles."""
    assert stage.guards is not None
    assert stage.guards.basic_auth is not None
    stage.guards.sweep()
    return len(stage.guards.basic_auth._file.hashes), len(stage.troubles)


async def test_a_file_that_changes_is_read_anew(open_stage: OpenStage, users: Path) -> None:
    stage = await guarded(open_stage, users)
    client = await stage.client()
    assert status(await asked(client, ANN)) == 200
    write(users, line("eve", "other"))
    await wait_until_async(lambda: swept(stage) == (1, 0))
    assert status(await asked(client, ANN)) == 401
    assert status(await asked(client, by("eve", "other"))) == 200


async def test_a_file_that_becomes_bad_is_told_of_once_and_the_users_stay(open_stage: OpenStage, users: Path) -> None:
    stage = await guarded(open_stage, users)
    write(users, "eve\n")
    await wait_until_async(lambda: swept(stage) == (2, 1))
    assert status(await asked(await stage.client(), ANN)) == 200
    assert "has no USER:HASH by bcrypt in line 1; the users of before stay" in stage.troubles[0]
    write(users, line("eve", "other"))
    await wait_until_async(lambda: swept(stage) == (1, 1))


def test_a_bad_file_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ComposectlError) as raised:
        make_guards(GuardConfig(basic_auth=str(tmp_path / "missing")))
    assert raised.value.exit_code == USAGE
    assert raised.value.message.startswith("the password file ")
    assert raised.value.hint
