"""Which protocol each port of a service has, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from composectl.compose.ports import Port, parse_ports
from composectl.config.protocols import choose, make_protocols, notes
from composectl.config.service import ProtocolConfig
from composectl.config.values import PROTOCOL, PortProtocol, parse
from composectl.config.x_balance import parse_x_balance
from composectl.errors import USAGE, ComposectlError
from composectl.proxy.protocol import WELL_KNOWN_TCP_PORTS, Protocol
from tests.support.options import flags


def written(declared: Mapping[str, Any] | None = None, **typed: Any) -> ProtocolConfig:
    return make_protocols(flags(**typed), parse_x_balance("echo", declared or {}).settings)


def chosen(*published: Any, declared: Mapping[str, Any] | None = None, **typed: Any) -> dict[int | None, str]:
    """The protocol of each port of `echo`."""
    ports = [port for entry in published for port in parse_ports(entry)]
    found = choose({"echo": ports}, {"echo": written(declared, **typed)})["echo"]
    return {port.target: str(protocol) for port, protocol in found.items()}


def of_several(services: Mapping[str, str], **typed: Any) -> dict[str, str]:
    """The protocol of the only port of each service, for which the command line alone says something."""
    ports = {service: parse_ports(entry) for service, entry in services.items()}
    found = choose(ports, dict.fromkeys(ports, written(**typed)))
    return {service: str(*of.values()) for service, of in found.items()}


def long_form(target: int, app_protocol: str) -> dict[str, Any]:
    return {"target": target, "published": str(target), "app_protocol": app_protocol}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("tcp", PortProtocol(None, Protocol.TCP)),
        ("6379=tcp", PortProtocol(6379, Protocol.TCP)),
        ("80=http", PortProtocol(80, Protocol.HTTP)),
        ("tls", PortProtocol(None, Protocol.TLS)),
        ("443=auto", PortProtocol(443, Protocol.AUTO)),
    ],
)
def test_a_protocol_is_of_one_port_or_of_all(text: str, meant: PortProtocol) -> None:
    assert parse(PROTOCOL, text, "--protocol") == meant
    assert str(meant) == text


@pytest.mark.parametrize(
    "text", ["", "udp", "TCP", "=tcp", "0=tcp", "65536=tcp", "a=tcp", "80=", "80=80=tcp", "tcp=80", "80:tcp", " tcp"]
)
def test_what_is_no_protocol_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="expected http, tcp, tls or auto, or PORT=NAME") as raised:
        parse(PROTOCOL, text, "--protocol")
    assert raised.value.exit_code == USAGE
    assert raised.value.hint == "for example: `--protocol tcp`, `6379=tcp`"


def test_where_nothing_is_written_well_known_ports_are_tcp_and_others_are_recognised() -> None:
    assert chosen("6379", "8080:80", "443", "9000") == {6379: "tcp", 80: "auto", 443: "auto", 9000: "auto"}
    assert set(chosen(*WELL_KNOWN_TCP_PORTS).values()) == {"tcp"}


def test_it_is_the_container_s_port_that_is_well_known() -> None:
    assert chosen("6379:80", "80:6379") == {80: "auto", 6379: "tcp"}


def test_the_option_wins_over_the_key_and_the_key_over_app_protocol_and_that_over_the_number() -> None:
    port = long_form(6379, "http")
    assert chosen(port) == {6379: "http"}
    assert chosen(port, declared={"protocol": "tls"}) == {6379: "tls"}
    assert chosen(port, declared={"protocol": "tls"}, protocol="auto") == {6379: "auto"}


def test_each_port_has_its_own() -> None:
    assert chosen("80", "81", "82", protocol=("tcp", "81=http")) == {80: "tcp", 81: "http", 82: "tcp"}
    assert chosen("80", "81", declared={"protocol": {"80": "tls", "81": "tcp"}}) == {80: "tls", 81: "tcp"}
    assert chosen("80", "81", declared={"protocol": ["80=tls", "tcp"]}) == {80: "tls", 81: "tcp"}
    assert chosen("80", "81", declared={"protocol": {"80": "tls"}}, protocol="81=tcp") == {80: "tls", 81: "tcp"}


def test_one_port_has_one() -> None:
    with pytest.raises(ComposectlError, match="`--protocol` gives one port two protocols"):
        written(protocol=("80=tcp", "80=http"))
    with pytest.raises(ComposectlError, match="`protocol:` gives one port two protocols"):
        written({"protocol": ["tcp", "http"]})
    assert written(protocol=("tcp", "tcp")).typed == (PortProtocol(None, Protocol.TCP),)


@pytest.mark.parametrize("value", [{"6379": "udp"}, {"": "tcp"}, {"6379": ""}, {"6379": ["tcp"]}, {"80": "80=tcp"}])
def test_a_mapping_that_makes_no_sense_is_refused(value: object) -> None:
    with pytest.raises(ComposectlError, match=r"`x-balance` of service `echo`: .*`protocol:`"):
        written({"protocol": value})


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        *((name, "http") for name in ("http", "HTTP", "http2", "h2c", "grpc", "ws", "kubernetes.io/h2c")),
        *((name, "tls") for name in ("https", "tls", "wss")),
        *((name, "tcp") for name in ("tcp", "redis", "postgres", "postgresql", "mongo", "mysql", "amqp", "ssh")),
    ],
)
def test_what_compose_calls_it(name: str, protocol: str) -> None:
    assert chosen(long_form(1234, name)) == {1234: protocol}


def test_what_compose_calls_by_an_unknown_name_is_told_and_counts_as_nothing() -> None:
    ports = [*parse_ports(long_form(1234, "gopher")), *parse_ports(long_form(6379, "x"))]
    assert list(notes(ports, ProtocolConfig())) == [
        "the `app_protocol` `gopher` of port 1234 is not known: each connection is recognised by its first bytes",
        "the `app_protocol` `x` of port 6379 is not known: each connection is balanced as tcp",
    ]
    assert chosen(long_form(1234, "gopher"), long_form(6379, "x")) == {1234: "auto", 6379: "tcp"}


def test_a_name_that_has_no_end_is_told_in_one_short_line() -> None:
    (note,) = notes(parse_ports(long_form(1234, "x\n" * 10_000)), ProtocolConfig())
    assert len(note) < 200
    assert note.isprintable()


def test_what_is_taken_for_tcp_by_its_number_is_told_once() -> None:
    ports = [*parse_ports("127.0.0.1:1:6379"), *parse_ports("127.0.0.1:2:6379"), *parse_ports("80")]
    assert list(notes(ports, ProtocolConfig())) == [
        "6379 is a well-known TCP port; each connection goes to one replica"
    ]
    assert not list(notes(ports, written(protocol="6379=tcp")))


def test_a_port_that_the_service_does_not_publish_is_refused() -> None:
    for how in ({"protocol": "81=tcp"}, {"declared": {"protocol": {"81": "tcp"}}}):
        with pytest.raises(ComposectlError) as raised:
            chosen("8080:80", **how)
        assert raised.value.message == (
            "service `echo` does not publish container port 81, for which the protocol `tcp` is given"
        )
        assert raised.value.hint == "the container's ports are 80"


def test_no_port_is_named_where_each_backend_has_its_own() -> None:
    listener = Port("", (8080, 8080), None, "tcp")
    with pytest.raises(ComposectlError) as raised:
        choose({"echo": [listener]}, {"echo": written(protocol="80=tcp")})
    assert raised.value.message == "the protocol `80=tcp` names a port, and each backend has a port of its own"
    assert raised.value.hint == "`--protocol tcp` is for all of them"


def test_of_several_services_one_has_to_publish_it() -> None:
    services = {"web": "80", "cache": "7000"}
    assert of_several(services, protocol="7000=tcp") == {"web": "auto", "cache": "tcp"}
    with pytest.raises(ComposectlError, match="no balanced service publishes container port 81"):
        of_several(services, protocol="81=tcp")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("allowed-host", "shop.example"),
        ("max-request-body", "10m"),
        ("sticky", True),
        ("sticky", "header:X-User"),
        ("health-check-path", "/up"),
        ("health-check-grpc", "shop.Cart"),
        ("response-timeout", "5"),
        ("no-request-id", True),
    ],
)
@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_an_option_that_works_on_requests_is_refused_where_none_come(option: str, value: Any, protocol: str) -> None:
    with pytest.raises(ComposectlError) as raised:
        chosen("8080:80", protocol=protocol, **{option: value})
    assert raised.value.message == (f"`--{option}` works on HTTP requests, and port 80 of service `echo` is {protocol}")
    assert raised.value.hint == "omit it, or declare the protocol: `--protocol 80=http`"


@pytest.mark.parametrize("protocol", ["auto", "http"])
def test_an_option_that_works_on_connections_is_refused_where_none_is_one(protocol: str) -> None:
    with pytest.raises(ComposectlError) as raised:
        chosen("8080:80", protocol=protocol, send_proxy_protocol="v2")
    assert raised.value.message == (
        f"`--send-proxy-protocol` works on connections, and port 80 of service `echo` is {protocol}"
    )
    assert raised.value.hint == "omit it, or declare the protocol: `--protocol 80=tcp`"
    assert chosen("80", "6379", send_proxy_protocol="v2") == {80: "auto", 6379: "tcp"}


def test_such_a_key_is_refused_as_it_is_spelled() -> None:
    with pytest.raises(ComposectlError, match=r"`x-balance\.max_request_body` works on HTTP requests, and port 6379"):
        chosen("6379", declared={"max_request_body": "1m"})


def test_such_an_option_is_for_the_services_and_ports_that_take_it() -> None:
    services = {"web": "80", "cache": "6379"}
    assert of_several(services, max_request_body="1m", health_check_path="/up") == {"web": "http", "cache": "tcp"}
    assert chosen("80", "6379", max_request_body="1m") == {80: "http", 6379: "tcp"}


def test_a_path_is_refused_where_the_port_that_is_checked_has_none() -> None:
    with pytest.raises(ComposectlError, match="`--health-check-path` works on HTTP requests, and port 6379"):
        chosen("6379", "80", health_check_path="/up")


def test_a_key_that_turns_it_off_is_no_such_option() -> None:
    off = {"health_check_grpc": "false", "request_id": "true"}
    assert chosen("6379", declared=off) == {6379: "tcp"}


@pytest.mark.parametrize(
    "words",
    [{"tls": "internal", "hsts": True}, {"tls_cert": "a", "tls_key": "a"}, {"tls": "internal", "domain": "a.b"}],
)
def test_tls_makes_ports_http_and_leaves_connections_alone(words: dict[str, Any]) -> None:
    published = ("80", "9000", "6379", long_form(1234, "tcp"), long_form(8443, "https"))
    assert chosen(*published, **words) == {80: "http", 9000: "http", 6379: "tcp", 1234: "tcp", 8443: "tls"}
    assert chosen("80", "81", protocol="81=tcp", **words) == {80: "http", 81: "tcp"}


def test_tls_on_one_port_leaves_the_others_alone() -> None:
    assert chosen("443:80", "81", "6379", tls="internal", tls_port="443") == {80: "http", 81: "auto", 6379: "tcp"}
    declared = {"tls": "internal", "tls_port": "443", "hsts": "60"}
    assert chosen("443:80", "81", declared=declared) == {80: "http", 81: "auto"}
    assert chosen("443:80", "81:81", declared=declared, tls_port="81") == {80: "auto", 81: "http"}
    assert chosen("443:80", "81", declared=declared, rate_limit="1/s") == {80: "http", 81: "http"}
    assert chosen("443:80", "81", declared={**declared, "domain": "a.test"}) == {80: "http", 81: "http"}


def test_nothing_but_http_comes_to_a_port_that_an_option_guards() -> None:
    assert chosen("80", "81", allowed_host="a") == {80: "http", 81: "http"}
    assert chosen("80", "6379", sticky=True) == {80: "http", 6379: "tcp"}
    assert chosen("80", "81", health_check_path="/") == {80: "http", 81: "auto"}
    assert chosen("80", response_timeout="5") == {80: "auto"}
