"""The project that Compose reads, with the balanced ports left to the proxy."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from composectl.compose.override import (
    PortOverrides,
    check_rendered_capacity,
    render,
    rendered_shared_data,
    without_published_ports,
)
from composectl.compose.project import Project
from composectl.errors import ComposectlError
from tests.support.examples import examples
from tests.unit.compose.test_project import OF_2016, PROFILES, both, project_of

# With balanced services


@both
def test_only_tcp_ports_and_the_container_name_are_taken_out(project: Project) -> None:
    web = dict(project.document["services"]["web"])
    del web["container_name"]
    web.pop("profiles", None)
    web["ports"] = [port for port in web["ports"] if isinstance(port, dict) and port.get("protocol") == "udp"]
    web["expose"] = [*dict.fromkeys(f"{port.target}/tcp" for port in project.tcp_ports("web"))]
    services = project.document["services"] | {"web": web}
    assert without_published_ports(project, {"web"}) == project.document | {"services": services}
    assert len(web["ports"]) == 1


@both
def test_the_project_itself_stays_as_it_was(project: Project) -> None:
    before = render(project.document)
    without_published_ports(project, {"web"})
    assert render(project.document) == before


def test_udp_ports_stay_unless_they_are_dropped() -> None:
    rendered = render(without_published_ports(project_of(ports=["80:80", "5353:53/udp"]), ["echo"]))
    assert yaml.safe_load(rendered)["services"]["echo"]["ports"] == ["5353:53/udp"]
    assert fitted(rendered, PortOverrides(frozenset(["echo"]))) == {
        "echo": {"ports": [], "expose": ["80/tcp"]},
        "db": {},
    }
    assert PortOverrides().apply(rendered) is rendered


def test_replicas_publish_their_addresses_beside_their_own_ports() -> None:
    rendered = render(without_published_ports(project_of(ports=["80:80", "5353:53/udp"]), ["echo"]))
    fit = PortOverrides(published={"echo": ("127.0.0.1::80",)})
    assert fitted(rendered, fit)["echo"]["ports"] == ["5353:53/udp", "127.0.0.1::80"]
    fit = PortOverrides(frozenset(["echo"]), {"echo": ("127.0.0.1::80",)})
    assert fitted(rendered, fit)["echo"]["ports"] == ["127.0.0.1::80"]


def test_what_is_published_no_more_is_exposed_for_others_to_see() -> None:
    rendered = without_published_ports(
        project_of(ports=["80:80", "81-82:81-82", "5353:53/udp"], expose=[80, "9/udp"]), ["echo"]
    )
    assert rendered["services"]["echo"]["expose"] == ["80", "9/udp", "80/tcp", "81/tcp", "82/tcp"]
    assert "expose" not in without_published_ports(project_of(image="a"), ["echo"])["services"]["echo"]


def test_a_service_that_is_no_longer_there_needs_nothing() -> None:
    rendered = render(project_of().document)
    assert fitted(rendered, PortOverrides(frozenset(["gone"]), {"gone": ("127.0.0.1::80",)})) == {"echo": {}, "db": {}}


def test_room_is_looked_for_in_what_is_rendered() -> None:
    rendered = render(without_published_ports(project_of(ports=["80:80", "5353:53/udp"]), ["echo"]))
    check_rendered_capacity(rendered, "echo", 1)
    check_rendered_capacity(rendered, "unknown", 2)
    with pytest.raises(ComposectlError, match="UDP port 5353"):
        check_rendered_capacity(rendered, "echo", 2)


def test_what_is_declared_for_us_makes_no_other_replica() -> None:
    before, after = (
        render(without_published_ports(project_of(image="a", **{"x-balance": count}), ["echo"])) for count in (2, 3)
    )
    assert b"x-balance" not in before
    assert before == after


def test_no_profile_keeps_a_balanced_service_from_coming_up_with_what_it_needs() -> None:
    services = without_published_ports(PROFILES, {"web"})["services"]
    enabled = {name for name, service in services.items() if "profiles" not in service}
    assert enabled == {"web", "api", "cache"}
    assert services["db"] == PROFILES.document["services"]["db"]


def test_addresses_that_replicas_cannot_share_are_left_to_docker() -> None:
    networks = {"back": {"ipv4_address": "172.28.0.10", "aliases": ["web"]}}
    document = without_published_ports(project_of(mac_address="02:42:ac:11:65:43", networks=networks), ["echo"])
    assert document["services"]["echo"] == {"networks": {"back": {"aliases": ["web"]}}, "ports": []}


def test_shared_data_is_found_in_what_is_rendered() -> None:
    rendered = render(project_of(image="postgres", volumes=["data:/data"]).document)
    assert "`data`" in rendered_shared_data(rendered, "echo")
    assert rendered_shared_data(rendered, "db") == rendered_shared_data(rendered, "unknown") == ""


def test_a_file_of_2016_becomes_one_that_v1_reads_back() -> None:
    document = without_published_ports(OF_2016, {"echo"})
    assert document["version"] == "2.4"
    made = {"build": {"context": "/srv/old"}, "network_mode": "bridge", "ports": [], "expose": ["9090/tcp"]}
    assert document["services"]["echo"] == made
    assert document["services"]["other"]["container_name"] == "x"


# What Compose reads


@both
def test_what_is_rendered_reads_back_the_same(project: Project) -> None:
    assert yaml.safe_load(render(project.document)) == project.document


TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


@examples(50)
@given(st.dictionaries(TEXTS, VALUES))
def test_whatever_is_rendered_reads_back_the_same(document: dict[str, Any]) -> None:
    assert yaml.safe_load(render(document)) == document


@pytest.mark.parametrize("text", ["0o17", "1e3", "0x1f", "1_000", "1:30", "2020-01-01", "y", "~", "=", "$$HOME"])
def test_a_text_is_a_text_in_every_version_of_yaml(text: str) -> None:
    assert render({"a": text}) == f'"a": "{text}"\n'.encode()


def test_other_scripts_survive_as_ascii() -> None:
    rendered = render({"a": "日本 😀 \x7f\u2028"})
    assert rendered.isascii()
    assert yaml.safe_load(rendered) == {"a": "日本 😀 \x7f\u2028"}


def test_a_key_that_yaml_took_for_a_truth_stays_one() -> None:
    document: dict[Any, Any] = {True: "yes"}
    assert render(document) == b'true: "yes"\n'


def test_what_is_shared_is_written_out() -> None:
    shared = ["a"]
    assert b"&" not in render({"one": shared, "two": shared})


def fitted(rendered: bytes, fit: PortOverrides) -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(fit.apply(rendered))["services"]
    return services
