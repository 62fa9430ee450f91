"""The wish behind the words of `composectl proxy` without backends."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.balance.backend import Replica
from composectl.compose.ports import Port
from composectl.config.proxy import FollowedWish, make_followed_wish
from composectl.errors import USAGE, ComposectlError
from tests.support.options import given

IN_THE_POST = {"DOCKER_COMPOSE_SERVICE_NAME": "echo"}


def wish(environ: dict[str, str] = IN_THE_POST, project: str = "", **typed: Any) -> FollowedWish:
    words = given(service="", port="", listen=(), name="", detach=False) | typed
    return make_followed_wish(words, project, environ)


def at(*ports: tuple[int, int]) -> Replica:
    return Replica("1" * 64, "", 1, "shop-echo-1", "10.0.0.1", ports=ports)


def test_the_variable_of_the_post_is_enough() -> None:
    asked = wish()
    assert (asked.service, asked.project, asked.port) == ("echo", "", 0)
    assert asked.ports == [Port("", (8080, 8080), 0, "tcp")]


def test_options_win_over_variables() -> None:
    environ = IN_THE_POST | {"COMPOSE_PROJECT_NAME": "shop"}
    assert wish(environ).project == "shop"
    asked = wish(environ, project="Other", service="web", port="80", listen=("127.0.0.1:0",))
    assert (asked.service, asked.project) == ("web", "other")
    assert asked.ports == [Port("127.0.0.1", (0, 0), 80, "tcp")]


def test_a_service_has_to_be_named() -> None:
    with pytest.raises(ComposectlError, match="neither a service nor") as raised:
        wish({})
    assert raised.value.exit_code == USAGE
    assert "DOCKER_COMPOSE_SERVICE_NAME" in raised.value.hint


@pytest.mark.parametrize("port", ["0", "http", "65536", "-1", "80/tcp"])
def test_what_is_no_port_of_a_container_is_refused(port: str) -> None:
    with pytest.raises(ComposectlError, match=f"`--port {port}`") as raised:
        wish(port=port)
    assert raised.value.exit_code == USAGE


@pytest.mark.parametrize("typed", [{"listen": ("8080", "8080")}, {"listen": ("a:b",)}, {"name": "No Name"}])
def test_listeners_and_names_are_as_for_fixed_backends(typed: dict[str, Any]) -> None:
    with pytest.raises(ComposectlError) as raised:
        wish(**typed)
    assert raised.value.exit_code == USAGE


def test_a_replica_that_exposes_nothing_is_not_reached_unless_its_port_is_named() -> None:
    assert wish().reaches(at((0, 9090)))
    assert not wish().reaches(at((0, 0)))
    assert wish(port="9090").reaches(at())
