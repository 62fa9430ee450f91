"""The lines of the access log, whatever a client has sent."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from composectl.balance.backend import Replica
from composectl.proxy.access_log_format import COMBINED, JSON, AccessRecord, LineStyle, line_of

MOMENT = 1_764_066_177_250_000_000  # nanoseconds of the epoch
REPLICA = Replica("6ff3", "", 1, "shop-echo-1", "172.18.0.4")
QUERY = LineStyle(COMBINED, query=True)
BOTH = LineStyle(COMBINED, headers=(b"referer", b"user-agent"))
IN_JSON = LineStyle(JSON)


def entry(
    target: bytes = b"/a",
    *,
    method: bytes = b"GET",
    client: str = "192.0.2.1",
    id_line: bytes = b"X-Request-ID: 0af7\r\n",
    replica: Replica | None = REPLICA,
    headers: Mapping[bytes, bytes] | None = None,
) -> AccessRecord:
    """A GET that has ended after 3 ms, with its second attempt."""
    made = AccessRecord("echo", 9090, client, method, target, "1.1", id_line, headers or {})
    made.replica, made.attempts = replica, 2 if replica else 0
    made.status, made.sent, made.received, made.queued_ns = 200, 24, 5, 1_000_000
    made.started, made.ended = 0, 3_125_000
    return made


def combined(record: AccessRecord, style: LineStyle = LineStyle()) -> str:  # noqa: B008 - it is frozen
    return line_of(record, style, MOMENT)


def as_json(record: AccessRecord, style: LineStyle = IN_JSON) -> dict[str, Any]:
    line = line_of(record, style, MOMENT)
    assert line.isascii()
    assert line.index("\n") == len(line) - 1
    document: dict[str, Any] = json.loads(line)
    return document


def test_combined_is_that_of_apache_and_four_words_more() -> None:
    assert combined(entry()) == (
        '192.0.2.1 - - [25/Nov/2025:10:22:57 +0000] "GET /a HTTP/1.1" 200 24 "-" "-" 172.18.0.4:9090 0.003125 1 0af7\n'
    )


def test_json_has_stable_keys() -> None:
    assert as_json(entry()) == {
        "time": "2025-11-25T10:22:57.250+00:00",
        "client": "192.0.2.1",
        "service": "echo",
        "method": "GET",
        "path": "/a",
        "http": "1.1",
        "protocol": "http/1.1",
        "status": 200,
        "error": None,
        "backend": "shop-echo-1",
        "address": "172.18.0.4:9090",
        "retries": 1,
        "duration_ms": 3.125,
        "queued_ms": 1.0,
        "received": 5,
        "sent": 24,
        "request_id": "0af7",
    }


def of_connection(protocol: str, server_name: str = "") -> AccessRecord:
    record = AccessRecord("cache", 6379, "192.0.2.1", b"", b"", protocol, b"", {})
    record.replica, record.attempts, record.status = REPLICA, 1, 200
    record.received, record.sent, record.server_name = 5, 24, server_name
    record.started, record.ended = 0, 3_125_000
    return record


def test_a_connection_has_its_protocol_in_place_of_a_request() -> None:
    line = combined(of_connection("tcp"))
    assert line.endswith(' "TCP" 200 24 "-" "-" 172.18.0.4:6379 0.003125 0 -\n')
    assert '"TLS shop.example" 200 24' in combined(of_connection("tls", "shop.example"))


def test_a_connection_in_json() -> None:
    document = as_json(of_connection("tls", "shop.example"))
    assert (document["protocol"], document["server_name"], document["http"]) == ("tls", "shop.example", None)
    assert (document["method"], document["path"], document["received"], document["sent"]) == (None, None, 5, 24)
    assert "server_name" not in as_json(of_connection("tcp"))


def test_what_no_backend_has_seen() -> None:
    assert combined(entry(b"", method=b"", replica=None, id_line=b"")).endswith(' "-" 200 24 "-" "-" - 0.003125 0 -\n')
    document = as_json(entry(b"", method=b"", replica=None, id_line=b""))
    empty = ("method", "path", "backend", "address", "request_id")
    assert [document[key] for key in empty] == [None] * len(empty)
    assert document["retries"] == 0


def test_i8_a_query_is_told_only_where_it_was_asked_for() -> None:
    asked = entry(b"/a?token=secret&b=/c")
    assert "secret" not in combined(asked) + json.dumps(as_json(asked))
    assert '"GET /a?token=secret&b=/c HTTP/1.1"' in combined(asked, QUERY)
    document = as_json(asked, LineStyle(JSON, query=True))
    assert (document["path"], document["query"]) == ("/a", "token=secret&b=/c")


@pytest.mark.parametrize(
    "target", [b"http://user:secret@host/", b"user:secret@host:443", b"/a#secret", b"http://h/?secret"]
)
def test_i8_what_is_no_path_tells_no_secrets(target: bytes) -> None:
    assert "secret" not in combined(entry(target)) + json.dumps(as_json(entry(target)))


def test_i8_headers_are_told_only_where_they_were_asked_for() -> None:
    asked = entry(headers={b"referer": b"http://a/", b"user-agent": b"curl/8"})
    assert '"http://a/" "curl/8" 172' in combined(asked, BOTH)
    assert as_json(asked, LineStyle(JSON, headers=(b"user-agent", b"traceparent")))["headers"] == {
        "user-agent": "curl/8",
        "traceparent": None,
    }


def test_the_time_is_that_of_the_calendar() -> None:
    before = time.time()
    record = AccessRecord("echo", 80, "192.0.2.1", b"GET", b"/", "1.1", b"", {})
    after = time.time()
    # The offset of the two clocks is read in two steps: what comes between them is in one of the lines, not in all.
    moments = [datetime.fromisoformat(json.loads(IN_JSON.line(record))["time"]).timestamp() for _ in range(100)]
    assert before - 0.002 < max(moments)
    assert min(moments) <= after + 0.001


@pytest.mark.parametrize(
    ("hostile", "escaped"),
    [
        (b'/"\\', r"/\x22\x5C"),
        (b"/\r\n127.0.0.1 - - ", r"/\x0D\x0A127.0.0.1 - - "),
        (b"/\x1b[31mred\x9b2J", r"/\x1B[31mred\x9B2J"),
        (b"/\xc3\xa9\xff\x00\x7f", r"/\xC3\xA9\xFF\x00\x7F"),
    ],
)
def test_a_request_is_always_one_line_of_signs_that_print(hostile: bytes, escaped: str) -> None:
    agents = {b"user-agent": hostile}
    line = combined(entry(hostile, headers=agents), BOTH)
    assert f'"GET {escaped} HTTP/1.1"' in line
    assert f'"{escaped}" 172.18' in line
    assert line[:-1].isprintable()
    document = as_json(entry(hostile, headers=agents), LineStyle(JSON, headers=(b"user-agent",)))
    assert document["path"] == document["headers"]["user-agent"] == hostile.decode("utf-8", "backslashreplace")


def test_every_byte_is_one_line() -> None:
    for byte in range(256):
        record = entry(
            b"/" + bytes([byte]), method=b"G" + bytes([byte]), id_line=b"X-Request-ID: " + bytes([byte]) + b"\r\n"
        )
        assert combined(record)[:-1].isprintable()
        as_json(record)


def test_h18_names_that_lie_are_harmless() -> None:
    lying = Replica("1", "", 1, 'a\x1b[31m"\n', "172.18.0.4")
    assert as_json(entry(replica=lying))["backend"] == 'a\x1b[31m"\n'


def test_an_address_of_ipv6_has_its_brackets() -> None:
    assert " [fd00::4]:9090 " in combined(entry(client="::1", replica=Replica("1", "", 1, "a", "fd00::4")))
