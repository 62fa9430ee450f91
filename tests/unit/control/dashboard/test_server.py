"""What a page that anybody may open gets to see."""

from __future__ import annotations

import http.client
import json
from dataclasses import replace
from urllib.parse import urlsplit

from composectl.balance.snapshot import Snapshot
from composectl.balance.waiting import Waiting
from tests.support.fake_dashboard import FakeDashboard

DB = Waiting(
    "db", 1, "0" * 12, "shop-db-1", "HEALTHCHECK", "failed once", "", "running", None, 3, "token=1", ("password=2",)
)


class TroubledDashboard(FakeDashboard):
    """A container of its project is not well."""

    def snapshot(self) -> Snapshot:
        return replace(super().snapshot(), others=(DB,))


def test_events_say_why_a_container_is_not_well_without_what_it_prints() -> None:
    with TroubledDashboard().shown() as url:
        place = urlsplit(url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
        connection.request("GET", "/v1/events")
        answer = connection.getresponse()
        assert answer.readline() == b"event: snapshot\n"
        (db,) = json.loads(answer.readline().removeprefix(b"data: "))["others"]
        connection.close()
    assert db["reason"] == "HEALTHCHECK: failed once, 3 restarts"
    assert (db["health_output"], db["last_lines"]) == ("", [])
