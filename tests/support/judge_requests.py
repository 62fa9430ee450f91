"""Whatever a client sends: backends hear what h11 reads of it, and not one request more."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

import h11

from composectl.proxy.request_id import is_valid_request_id
from tests.support.memory_proxy import LOOP, MemoryProxy, cut, run, sizes_of
from tests.support.reading import (
    End,
    Fields,
    Request,
    Response,
    is_clean,
    only,
    read_requests,
    read_responses,
    tokens,
    values,
)

REFUSALS = (200, 400, 405, 413, 414, 417, 421, 431, 501, 505, 508)  # 200: to OPTIONS that go no further
GET, HEAD = (Request(method, b"/", b"1.1", []) for method in (b"GET", b"HEAD"))
_MAY_BE_TLS = b"\x16"  # a connection that begins so is held for a second
_FRAMING = {b"content-length", b"transfer-encoding"}
_OURS = {
    *(b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-real-ip"),
    *(b"x-forwarded-prefix", b"x-forwarded-scheme", b"x-forwarded-server", b"x-forwarded-ssl", b"x-request-id"),
}
_AUTHORITY = re.compile(rb"[0-9.]+:[0-9]+")
_MADE = re.compile(rb"[0-9a-f]{32}")
_HANDLED = {b"host", b"via", b"expect", b"max-forwards"}
_HOPS = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"http2-settings"}
_NOT_A_HOP = {b"authorization", b"cache-control", b"cookie", b"set-cookie", b"via"}
_NEVER_A_TRAILER = (
    *(_FRAMING | _OURS | _HANDLED | _HOPS | _NOT_A_HOP),
    *(
        b"x-internal-service",
        b"x-composectl-error",
        b"content-encoding",
        b"content-range",
        b"content-type",
        b"date",
        b"range",
        b"trailer",
    ),
)


@dataclass
class Habits:
    """How a backend, and the road to it, behave."""

    in_haste: bool = False  # the client does not wait between its segments
    early: bool = False  # the backend answers before it has heard the body
    interim: bool = False
    closes: bool = False  # after each response
    bytewise: bool = False  # its responses
    slow_reader: bool = False  # the client, of the responses

    @classmethod
    def of(cls, bits: int) -> Habits:
        return cls(*(bool(bits >> shift & 1) for shift in range(6)))


@dataclass
class Heard:
    """The whole requests that backends have heard, in their order, of a client at this address."""

    habits: Habits
    client: bytes = b"192.0.2.1"
    requests: list[Request] = field(default_factory=list)


class StrictBackend:
    """Reads with h11, minds every letter, and answers each request with its number."""

    def __init__(self, heard: Heard, say: Callable[[bytes], object]) -> None:
        self._heard = heard
        self._say = say
        self._h11 = h11.Connection(h11.SERVER, 1 << 20)
        self._bytes = bytearray()
        self._request: Request | None = None

    def hear(self, data: bytes) -> None:
        if self._h11.our_state is h11.IDLE:
            self._bytes += data
        self._h11.receive_data(data)
        while (event := self._h11.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                assert self._request
                self._request.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._end(event)

    # Private

    def _begin(self, event: h11.Request) -> None:
        assert is_clean(bytes(self._bytes).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"), bytes(self._bytes)
        self._request = Request(event.method, event.target, event.http_version, event.headers.raw_items())
        if self._heard.habits.early:
            self._heard.requests.append(self._request)
            self._answer(len(self._heard.requests) - 1)

    def _end(self, event: h11.EndOfMessage) -> None:
        assert self._request
        self._request.trailers = event.headers.raw_items()
        if not self._heard.habits.early:
            self._heard.requests.append(self._request)
            self._answer(len(self._heard.requests) - 1)
        self._bytes.clear()
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()

    def _answer(self, number: int) -> None:
        assert self._request
        habits, send = self._heard.habits, self._h11.send
        text = b"number %d" % number
        fields = [(b"Content-Length", b"%d" % len(text)), (b"X-Number", b"%d" % number)]
        fields += [(b"Connection", b"close")] * habits.closes
        said = (send(h11.InformationalResponse(status_code=103, headers=[])) or b"") if habits.interim else b""
        said += send(h11.Response(status_code=200, headers=fields, reason=b"OK")) or b""
        if self._request.method != b"HEAD":
            said += send(h11.Data(data=text)) or b""
        said += send(h11.EndOfMessage()) or b""
        for at in range(len(said)) if habits.bytewise else ():
            self._say(said[at : at + 1])
        if not habits.bytewise:
            self._say(said)
        if habits.closes:
            self._say(b"")


def judge(data: bytes, sizes: Sequence[int] = (), habits: Habits | None = None) -> list[Response]:
    """Let a client send `data` in segments of these sizes, and raise AssertionError where anything of it was misread.

    Returns what the client got.
    """
    heard, responses = Heard(habits or Habits()), []

    async def play() -> None:
        stage = MemoryProxy(LOOP, lambda transport: transport.listen(StrictBackend(heard, transport.later).hear))
        responses.extend(await _judge(stage, heard, cut(data, sizes)))

    run(play())
    return responses


def check(data: bytes, heard: Heard, received: bytes, ended: str) -> list[Response]:
    """The responses to `data` in what the client received; raises AssertionError where it does not fit `heard`.

    `ended` tells how the client's connection did: not yet, in order or by a reset.
    """
    requests, end, begun = read_requests(data)
    asked = [*requests, begun] if begun and heard.habits.early else requests
    responses = _read_all(received, ended, [*requests, begun or GET])
    refused = _check_responses(asked, heard, responses)
    if refused or end is End.LAST:
        assert ended, "the connection should have ended"
    elif not heard.habits.early:
        assert end is not End.BAD or data == _MAY_BE_TLS, "what is bad should have been refused"
        assert len(responses) == len(requests), "a request has no answer"
        assert not ended
    return responses


def judge_blindly(data: bytes) -> None:
    """As `judge`; the first two bytes choose habits and segments."""
    judge(data[2:], sizes_of(data[1:2]), Habits.of(data[0] if data else 0))


# Private


async def _judge(stage: MemoryProxy, heard: Heard, segments: Sequence[bytes]) -> list[Response]:
    if heard.habits.slow_reader:
        stage.client.stall()
    await stage.send(segments, in_haste=heard.habits.in_haste)
    if heard.habits.slow_reader:
        stage.client.read_on()
        await stage.loop.settle()
    responses = check(b"".join(segments), heard, bytes(stage.received), stage.client.ended)
    await stage.leave()
    return responses


def _read_all(received: bytes, ended: str, asked: list[Request]) -> list[Response]:
    """The responses to what was asked; the last one may be to something of which we cannot know if it was a HEAD."""
    first, left, _ = read_responses(received, ended, asked)
    if left is End.WHOLE:
        return first
    for before, last in product((len(first), len(first) - 1), (GET, HEAD)):
        responses, left, _ = read_responses(received, ended, [*asked[:before], last])
        if left is End.WHOLE and _is_refusal(responses[-1]):
            return responses
    raise AssertionError(f"not as many whole responses as there are requests: {received!r}")


def _check_responses(requests: list[Request], heard: Heard, responses: list[Response]) -> bool:
    """Returns whether the last response is a refusal."""
    numbers = []
    for request, response in zip([*requests, None], responses, strict=False):
        number = response.field(b"X-Number")
        if number is not None:
            assert request is not None, "an answer to what is no request"
            _check_relayed(response, request)
            _check_same(request, heard.requests[int(number)], heard)
            numbers.append(int(number))
        else:
            assert _is_refusal(response), response
    assert numbers == list(range(len(heard.requests)))[: len(numbers)], "the answers are not in order"
    unanswered = len(heard.requests) - len(numbers)
    assert unanswered <= heard.habits.early, "a backend has heard what h11 does not read"
    return bool(responses) and _is_refusal(responses[-1])


def _is_refusal(response: Response) -> bool:
    if response.field(b"X-Composectl-Error") is None:
        return False
    assert response.status in REFUSALS, response
    return response.field(b"Connection") == b"close"


def _check_relayed(response: Response, request: Request) -> None:
    assert response.status == 200
    assert response.reason == b"OK"
    assert len(values(response.fields, b"x-internal-service")) == 1
    assert len(values(response.fields, b"x-request-id")) == 1
    assert response.body == (b"" if request.method == b"HEAD" else b"number " + (response.field(b"X-Number") or b""))


def _check_same(asked: Request, heard: Request, by: Heard) -> None:
    target, host = _target_and_host(asked)
    assert (heard.method, heard.target, heard.version) == (asked.method, target, b"1.1")
    assert _end_to_end(heard.fields) == _end_to_end(asked.fields)
    heard_host = only(heard.fields, b"host")
    assert heard_host == host or (host is None and _AUTHORITY.fullmatch(heard_host or b""))
    assert only(heard.fields, b"x-forwarded-host") == host
    assert only(heard.fields, b"x-forwarded-for") == by.client
    assert only(heard.fields, b"x-forwarded-proto") == b"http"
    assert tokens(heard.fields, b"via") == [*tokens(asked.fields, b"via"), b"1.1 composectl"]
    _check_heeded(asked, heard)
    _check_named(asked, heard)
    assert len([name for name, _ in heard.fields if name.lower() in _FRAMING]) < 2
    assert set(tokens(heard.fields, b"connection")) <= {b"upgrade", b"te"}
    if not by.habits.early:
        assert heard.body == asked.body
        assert heard.trailers == [line for line in asked.trailers if not _is_no_trailer(line[0].lower())]


def _check_named(asked: Request, heard: Request) -> None:
    """The request ID is the client's, if that is one; else it is one of ours."""
    said, heard_id = values(asked.fields, b"x-request-id"), only(heard.fields, b"x-request-id") or b""
    if len(said) == 1 and is_valid_request_id(said[0]):
        assert heard_id == said[0]
    else:
        assert _MADE.fullmatch(heard_id)


def _check_heeded(asked: Request, heard: Request) -> None:
    """RFC 9110, sections 7.6.2 and 10.1.1."""
    expects = bool(values(asked.fields, b"expect")) and asked.version >= b"1.1"  # RFC 9110, section 2.5
    assert values(heard.fields, b"expect") == [b"100-continue"] * expects
    left = tokens(asked.fields, b"max-forwards")
    if left and asked.method in (b"OPTIONS", b"TRACE"):
        left = [b"%d" % (int(left[0]) - 1)]
    assert tokens(heard.fields, b"max-forwards") == left


def _target_and_host(asked: Request) -> tuple[bytes, bytes | None]:
    host = only(asked.fields, b"host")
    if asked.target.startswith(b"/") or asked.target == b"*":
        return asked.target, host
    _, _, rest = asked.target.partition(b"://")
    at = min((rest.find(mark) for mark in (b"/", b"?") if mark in rest), default=len(rest))
    path = rest[at:]
    return path if path.startswith(b"/") else b"/" + path, rest[:at]


def _is_no_trailer(name: bytes) -> bool:
    return name in _NEVER_A_TRAILER or name.replace(b"_", b"-") in _FRAMING | _OURS


def _end_to_end(fields: Fields) -> Fields:
    named = set(tokens(fields, b"connection")) - _NOT_A_HOP
    return [
        (name, value)
        for name, value in fields
        if name.lower() not in _HANDLED | _HOPS | named and not _is_ours(name.lower().replace(b"_", b"-"))
    ]


def _is_ours(name: bytes) -> bool:
    """Whether the proxy alone tells backends so."""
    return name in _FRAMING | _OURS or name.startswith(b"x-composectl-")
