"""Which services share a listener, and what must be the same for them."""

from __future__ import annotations

import pytest

from composectl.compose.ports import Port, parse_ports
from composectl.config.service import ServiceConfig
from composectl.config.settings import build
from composectl.config.x_balance import parse_x_balance
from composectl.daemon.routing import Routing, check_protocols, make_routing, tls_of
from composectl.errors import ComposectlError
from composectl.proxy.protocol import Protocol
from composectl.proxy.routes import Route

WEB, API = parse_ports("8080:80"), parse_ports("8080:3000")


def service(**keys: object) -> ServiceConfig:
    return build(ServiceConfig, parse_x_balance("web", keys).settings, scale=1)


def routed(web: ServiceConfig, api: ServiceConfig, ports: tuple[Port, ...] = API) -> dict[str, Routing]:
    return dict(make_routing({"web": WEB, "api": ports}, {"web": web, "api": api}))


def test_the_first_service_listens_for_both() -> None:
    routing = routed(service(), service(path="/api"))
    assert routing["web"].of(WEB[0]) == (Route(),)
    assert routing["web"].own(WEB) == list(WEB)
    assert routing["api"].hosts == {API[0]: ("web", WEB[0])}
    assert routing["api"].own(API) == []
    assert routing["api"].routes == (Route(b"", b"/api"),)


def test_three_services_have_one_host() -> None:
    names = ("web", "api", "admin")
    services = {name: service(domain=f"{name}.test") for name in names}
    routing = make_routing({"web": WEB, "api": API, "admin": parse_ports("8080:81")}, services)
    assert [*routing["api"].hosts.values(), *routing["admin"].hosts.values()] == [("web", WEB[0])] * 2


def test_a_service_that_has_its_port_for_itself_gets_all_requests_of_any_host() -> None:
    routing = routed(service(domain="web.test"), service(), parse_ports("8081:80"))
    assert routing["web"].of(WEB[0]) == ()
    assert not routing["api"].hosts


def test_but_those_of_other_paths() -> None:
    routing = routed(service(path="/web"), service(), parse_ports("8081:80"))
    assert routing["web"].of(WEB[0]) == (Route(b"", b"/web"),)


def test_certificates_have_the_names_of_all_that_share_a_listener() -> None:
    services = {"web": service(domain="web.test"), "api": service(domain=["api.test", "web.test"], path="/x")}
    routing = make_routing({"web": WEB, "api": API}, services)
    assert tls_of("web", services, routing).domains == ("web.test", "api.test")


def test_without_a_route_two_services_share_nothing() -> None:
    with pytest.raises(ComposectlError, match="port 8080 is published twice, by `web` and `api`") as raised:
        routed(service(), service())
    assert "`--route api=HOST`" in raised.value.hint


@pytest.mark.parametrize(
    "ports", [parse_ports("127.0.0.1:8080:80"), (*parse_ports("8081:80"), *parse_ports("8081:81"))]
)
def test_other_conflicts_are_refused_as_before(ports: tuple[Port, ...]) -> None:
    with pytest.raises(ComposectlError, match="published twice") as raised:
        routed(service(), service(path="/api"), ports)
    assert raised.value.hint == "change one of the two ports"


def test_one_route_has_one_service() -> None:
    with pytest.raises(ComposectlError, match=r"share port 8080, and both have the route `shop\.test/api`"):
        routed(service(domain=["a.test", "shop.test"], path="/api"), service(domain="shop.test", path="/api/"))


@pytest.mark.parametrize("key", ["request_id", "allow_pin", "accept_proxy_protocol", "trusted_proxies"])
def test_what_is_the_listener_s_is_the_same_for_all(key: str) -> None:
    value = {"request_id": "false", "trusted_proxies": "10.0.0.0/8"}.get(key, "true")
    with pytest.raises(ComposectlError, match=f"differ in `{key}`"):
        routed(service(), service(path="/api", **{key: value}))


@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.TLS])
def test_connections_have_no_routes(protocol: Protocol) -> None:
    routing = routed(service(), service(path="/api"))
    check_protocols(routing, {"web": {WEB[0]: Protocol.HTTP}, "api": {API[0]: Protocol.AUTO}})
    for web, api in ((protocol, Protocol.HTTP), (Protocol.HTTP, protocol)):
        with pytest.raises(ComposectlError, match=f"`web` and `api` share port 8080, whose connections are {protocol}"):
            check_protocols(routing, {"web": {WEB[0]: web}, "api": {API[0]: api}})
