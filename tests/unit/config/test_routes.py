"""Routes, as they are typed and as they stand in the compose file."""

from __future__ import annotations

import pytest

from composectl.config.service import ServiceConfig
from composectl.config.settings import build
from composectl.config.up import make_up_config
from composectl.config.x_balance import XBalance, parse_x_balance
from composectl.errors import USAGE, ComposectlError
from composectl.proxy.routes import Route
from tests.support.options import flags


def declared(**keys: object) -> tuple[Route, ...]:
    return build(ServiceConfig, parse_x_balance("web", keys).settings, scale=1).routes


def typed(*routes: str, **services: XBalance) -> dict[str, tuple[Route, ...]]:
    scales = {"web": 2, "api": 1}
    config = make_up_config(scales, flags(route=routes), (), services, tuple(scales))
    return {name: service.routes for name, service in config.services.items()}


def test_without_a_word_a_service_gets_everything() -> None:
    assert declared() == (Route(),)


def test_a_file_names_hosts_and_a_path() -> None:
    assert declared(domain=["Shop.Example.", "*.shop.example", "::1"], path="/api/", strip_path="true") == (
        Route(b"shop.example", b"/api", strips=True),
        Route(b"*.shop.example", b"/api", strips=True),
        Route(b"[::1]", b"/api", strips=True),
    )
    assert declared(path="/") == (Route(),)


def test_typed_routes_are_those_of_their_service_alone() -> None:
    assert typed("web=Shop.example", "api=shop.example/api", "api=/v2") == {
        "web": (Route(b"shop.example"),),
        "api": (Route(b"shop.example", b"/api"), Route(b"", b"/v2")),
    }


def test_a_typed_route_wins_over_the_file() -> None:
    file = parse_x_balance("web", {"domain": "old.example", "path": "/old"})
    assert typed("web=new.example", web=file)["web"] == (Route(b"new.example"),)


def test_a_route_of_no_service() -> None:
    with pytest.raises(ComposectlError, match="names service `wbe`, which is not balanced") as raised:
        typed("wbe=shop.example")
    assert raised.value.exit_code == USAGE
    assert "web" in raised.value.hint


@pytest.mark.parametrize(
    "text", ["", "web", "web=", "=shop.example", "web=a b", "web=shop:80", "web=a/%61", "web=a/x?y"]
)
def test_what_is_no_route_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match=r"expected SERVICE=HOST\[/PATH\]"):
        flags(route=(text,))


@pytest.mark.parametrize("text", ["api", "/a//b", "/../a", "/a/./b", "/%61", "/a?b", "/a#b", "/a b", "/a;b"])
def test_what_is_no_plain_path_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="expected a path without query"):
        declared(path=text)
