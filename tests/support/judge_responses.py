"""Whatever backends send: clients get what h11 reads of it, an error of ours, or an end that shows."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.support.memory_network import MemoryTransport
from tests.support.memory_proxy import LOOP, MemoryProxy, cut, run, sizes_of
from tests.support.reading import (
    End,
    Fields,
    Request,
    Response,
    ends_after,
    read_requests,
    read_responses,
    tokens,
    values,
)

_HOPS = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"}
_OURS = _HOPS | {
    *(b"content-length", b"date", b"transfer-encoding", b"x-composectl-error", b"x-internal-service", b"x-request-id")
}
_NOT_A_HOP = {b"authorization", b"cache-control", b"cookie", b"set-cookie", b"via"}
_MARK = b"X-Marked"

CLIENTS = {
    b"get": b"GET /0 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"three": b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(3)),
    b"head": b"HEAD /0 HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"post": b"POST /0 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"put": b"PUT /0 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"old": b"GET /0 HTTP/1.0\r\n\r\n",
    b"kept": b"GET /0 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /1 HTTP/1.0\r\n\r\n",
    b"trailers": b"GET /0 HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\nGET /1 HTTP/1.0\r\n\r\n",
    b"switch": b"GET /0 HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    b"last": b"GET /0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
}


_END = re.compile(rb"\n--(open|end|reset)\n")


@dataclass
class Said:
    """What a backend has said to one request, how it ended, and what it had said before on that connection."""

    request: Request
    before: Said | None
    data: bytes = b""
    ended: str = ""

    def read(self) -> tuple[Response | None, End, bytes]:
        """How h11 reads it, for which we skip empty lines as we do ourselves."""
        responses, end, rest = read_responses(self.data, self.ended, [self.request], skips=b"\r\n")
        return (responses[0] if responses else None), end, rest

    def is_at_an_end(self) -> bool:
        response, _, rest = self.read()
        return response is not None and not rest.strip(b"\r\n")


@dataclass
class Part:
    """What one connection is to say, in segments, and how it is to end: "", "in order" or "by a reset"."""

    segments: list[bytes]
    end: str


@dataclass
class Script:
    """The parts of the connections to come, and what was said."""

    parts: deque[Part]
    said: list[Said] = field(default_factory=list)


class ScriptedSpeaker:
    """Says its part to its first request; to others, and where no part is left, which request it is.

    `repeats`: it says its part to the others, too.
    """

    def __init__(self, script: Script, transport: MemoryTransport, repeats: bool) -> None:
        self._script = script
        self._transport = transport
        self._repeats = repeats
        self._part: Part | None = None
        self._heard = bytearray()
        self._said: Said | None = None

    def hear(self, data: bytes) -> None:
        self._heard += data
        requests, end, _ = read_requests(bytes(self._heard))
        assert end in (End.WHOLE, End.PARTIAL)
        if requests:
            self._heard.clear()
            if self._script.parts and not self._said:
                self._part = self._script.parts.popleft()
            elif not self._repeats:
                self._part = None
            part = self._part or marked(requests[0])
            self._said = Said(requests[0], before=self._said)
            self._script.said.append(self._said)
            self._speak(self._said, deque(part.segments), part.end)

    # Private

    def _speak(self, said: Said, segments: deque[bytes], end: str) -> None:
        if self._said is not said or self._transport.ended:
            return
        if segments:
            said.data += segments[0]
            self._transport.say(segments.popleft())
            LOOP.call_soon(self._speak, said, segments, end)
        elif end:
            said.ended = end
            self._transport.say(b"") if end == "in order" else self._transport.reset()


def marked(request: Request) -> Part:
    """A response that tells what was asked."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b: 1\r\n\r\n" % (len(request.target), _MARK)
    return Part([head + request.target * (request.method != b"HEAD")], "")


def judge(asked: bytes, parts: Sequence[Part], *, slow_reader: bool = False, repeats: bool = False) -> list[Response]:
    """Let a client ask, backends say these parts, and raise AssertionError where anything of it was misread.

    `repeats`: a backend says its part to each request of its connection, and not to the first one alone. Returns what
    the client got.
    """
    script, responses = Script(deque(parts)), []

    async def play() -> None:
        stage = MemoryProxy(LOOP, lambda transport: transport.listen(ScriptedSpeaker(script, transport, repeats).hear))
        responses.extend(await _judge(stage, script, asked, slow_reader))

    run(play())
    return responses


def check_response(request: Request, response: Response, said: list[Said]) -> None:
    """Raise AssertionError where this is neither a page of ours nor what was said to this request."""
    named = values(response.fields, b"x-internal-service")
    if not named:
        assert response.field(b"X-Composectl-Error")
        assert response.status == 502
        return
    assert len(named) == 1
    answer = [candidate for candidate in said if candidate.request.target == request.target][-1]
    expected, end, _ = answer.read()
    assert expected, f"h11 reads no response: {answer.data!r} {end}"
    assert (response.status, response.reason, response.body) == (expected.status, expected.reason, expected.body)
    assert _end_to_end(response.fields) == _end_to_end(expected.fields)
    if response.status != 101:
        date = b", ".join(values(expected.fields, b"date"))
        assert response.field(b"date")
        assert date in (b"", response.field(b"date"))
    assert response.interim == (expected.interim if request.version == b"1.1" else [])
    assert set(response.trailers) <= set(expected.trailers if b"trailers" in tokens(request.fields, b"te") else [])
    if expected.status == 304 or (request.method == b"HEAD" and expected.status != 204):
        assert values(response.fields, b"content-length") == values(expected.fields, b"content-length")
    _check_framing(request, response)


def judge_blindly(data: bytes) -> None:
    """As `judge`; the first byte chooses the client and its request (`@`, `A` and so on; small letters read slowly).

    The second byte chooses the segments; the parts that follow are ended by lines with `--open`, `--end` or `--reset`,
    the last one in order.
    """
    choice = data[0] if data else 0
    pieces = [*_END.split(data[2:]), b"end"]
    parts = [
        Part(cut(said, sizes_of(data[1:2])), {b"open": "", b"end": "in order", b"reset": "by a reset"}[end])
        for said, end in zip(pieces[::2], pieces[1::2], strict=True)
    ]
    asked = list(CLIENTS.values())
    judge(asked[choice % 32 % len(asked)], parts, slow_reader=bool(choice & 32))


# Private


async def _judge(stage: MemoryProxy, script: Script, asked: bytes, slow_reader: bool) -> list[Response]:
    if slow_reader:
        stage.client.stall()
    await stage.send([asked], in_haste=False)
    if slow_reader:
        stage.client.read_on()
        await stage.loop.settle()
    requests, _, _ = read_requests(asked)
    responses, end, rest = read_responses(bytes(stage.received), stage.client.ended, requests)
    assert end is not End.BAD, (rest, stage.received)
    for request, response in zip(requests, responses, strict=False):
        check_response(request, response, script.said)
    for said in script.said:
        assert not said.before or said.before.is_at_an_end(), "a connection was kept that was not at an end"
    if end is End.SWITCHED:
        assert rest == script.said[-1].read()[2]
    elif len(responses) < len(requests) and not stage.client.ended:
        assert not script.said[-1].ended, "the client waits for nothing"
    elif len(responses) == len(requests):
        assert stage.client.ended or not ends_after(requests[-1])
    await stage.leave()
    return responses


def _check_framing(request: Request, response: Response) -> None:
    framing = [name for name, _ in response.fields if name.lower() in (b"content-length", b"transfer-encoding")]
    assert len(framing) < 2
    assert framing != [b"Transfer-Encoding"] or request.version == b"1.1"
    assert set(tokens(response.fields, b"connection")) <= {b"close", b"keep-alive", b"upgrade"}


def _end_to_end(fields: Fields) -> Fields:
    named = set(tokens(fields, b"connection")) - _NOT_A_HOP
    return [(name, value) for name, value in fields if name.lower() not in _OURS | named]
