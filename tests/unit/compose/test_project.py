"""A rendered project; `printed/` holds what docker-compose 1.29.2 and Compose 2.40.3 printed for the same file."""

from pathlib import Path
from typing import Any

import pytest

from composectl.compose.ports import ANY, Port
from composectl.compose.project import Project, parse_project
from composectl.errors import ComposectlError

PRINTED = Path(__file__).parent / "printed"

V1 = parse_project((PRINTED / "forms-v1.yml").read_text(), in_yaml=True)
V2 = parse_project((PRINTED / "forms-v2.json").read_text())
OF_2016 = parse_project((PRINTED / "of-2016-v1.yml").read_text(), in_yaml=True)

both = pytest.mark.parametrize("project", [V1, V2], ids=["v1", "v2"])


def project_of(**service: Any) -> Project:
    return Project("shop", {"services": {"echo": service, "db": {}}})


def test_only_v2_tells_the_name() -> None:
    assert (V1.name, V2.name) == (None, "forms")


@both
def test_services_of_inactive_profiles_are_services_too(project: Project) -> None:
    assert sorted(project.services) == ["other", "web"]


@both
def test_both_majors_tell_the_same_ports(project: Project) -> None:
    assert project.ports("web") == (
        Port("", (8080, 8080), 80, "tcp"),
        Port("", (8100, 8103), 81, "tcp"),
        Port("127.0.0.1", (9000, 9000), 90, "tcp"),
        Port("::1", (9001, 9001), 80, "tcp"),
        Port("", ANY, 91, "tcp"),
        Port("", (8201, 8201), 8301, "tcp"),
        Port("", (8202, 8202), 8302, "tcp"),
        Port("", (5353, 5353), 53, "udp"),
        Port("127.0.0.1", ANY, 92, "tcp"),
        Port("", ANY, 93, "tcp"),
        Port("", ANY, 94, "tcp"),
        Port("", ANY, 95, "tcp"),
        Port("", (8096, 8096), 96, "tcp"),
    )


@pytest.mark.parametrize("printed", ["", "up -d", "[]", "null", "{"])
@pytest.mark.parametrize("in_yaml", [True, False])
def test_what_is_no_project_is_refused(printed: str, in_yaml: bool) -> None:
    with pytest.raises(ComposectlError, match="printed no project"):
        parse_project(printed, in_yaml=in_yaml)


def test_what_is_of_one_container_is_told_of_its_service() -> None:
    named = project_of(container_name="web")
    assert (named.own_keys("echo"), named.own_keys("db")) == (("container_name: web",), ())


# What comes up


@pytest.mark.parametrize(
    "needs",
    [
        {"depends_on": ["db"]},
        {"depends_on": {"db": {"condition": "service_started"}}},
        {"links": ["db:database"]},
        {"volumes_from": ["db:ro"]},
        {"network_mode": "service:db"},
    ],
)
def test_a_service_comes_up_with_what_it_depends_on(needs: Any) -> None:
    services = {"web": {"depends_on": ["echo"]}, "echo": needs, "db": {}, "other": {}}
    project = Project("shop", {"services": services})
    assert project.started_with(["web"]) == {"web", "echo", "db"}
    assert project.started_with(["db", "unknown"]) == {"db"}


def test_services_come_behind_those_that_they_depend_on() -> None:
    services = {"a": {"depends_on": {"web": {}}}, "web": {"depends_on": ["z"]}, "z": {}, "b": {}}
    assert Project("shop", {"services": services}).in_order(services) == ("b", "z", "web", "a")


def test_two_that_depend_on_each_other_are_no_trap() -> None:
    project = Project("shop", {"services": {"a": {"links": ["b"]}, "b": {"links": ["a"]}}})
    assert project.started_with(["a"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("service", "scale"),
    [
        ({}, 1),
        ({"scale": 3}, 3),
        ({"deploy": {"replicas": 4}}, 4),
        ({"deploy": {"replicas": 0}}, 0),
        ({"deploy": {}}, 1),
    ],
)
def test_the_file_s_own_number_of_replicas(service: Any, scale: int) -> None:
    assert project_of(**service).declared_scale("echo") == scale


# What can be balanced


def test_a_service_that_publishes_a_tcp_port_can_be_balanced() -> None:
    project_of(ports=["8080:80"]).check_balanced("echo", 10)


def test_an_unknown_service_is_told_with_its_near_match() -> None:
    with pytest.raises(ComposectlError, match="no service `ech`") as caught:
        project_of().check_balanced("ech", 2)
    assert caught.value.hint == "did you mean `echo`?"


@pytest.mark.parametrize("ports", [None, [], ["53:53/udp"]])
def test_a_service_without_a_tcp_port_needs_a_listener(ports: list[str] | None) -> None:
    project = project_of(ports=ports)
    with pytest.raises(ComposectlError, match="publishes no TCP port") as caught:
        project.check_balanced("echo", 1)
    assert "--listen" in caught.value.hint
    project.check_balanced("echo", 1, listens=True)


def test_a_udp_port_is_no_hindrance_to_a_single_replica() -> None:
    project_of(ports=["80:80", "53:53/udp"]).check_balanced("echo", 1)


def test_a_fixed_udp_port_cannot_be_held_by_two() -> None:
    project = project_of(ports=["80:80", "5353:53/udp"])
    with pytest.raises(ComposectlError, match="UDP port 5353, which 1 replica of 2 can bind") as caught:
        project.check_balanced("echo", 2)
    assert "`--drop-udp`" in caught.value.hint
    project.check_balanced("echo", 2, drop_udp=True)


def test_a_range_of_udp_ports_has_room_for_as_many_as_it_is_wide() -> None:
    with pytest.raises(ComposectlError, match="which 2 replicas of 3 can bind"):
        project_of(ports=["80:80", "5300-5301:53/udp"]).check_balanced("echo", 3)


def test_what_else_is_not_tcp_is_called_by_its_name() -> None:
    with pytest.raises(ComposectlError, match="SCTP port 5353"):
        project_of(ports=["80:80", "5353:53/sctp"]).check_balanced("echo", 2)


@pytest.mark.parametrize("entry", ["http:80", "8080:http", {"published": "8080"}])
def test_an_invalid_port_is_told(entry: Any) -> None:
    with pytest.raises(ComposectlError, match="publishes an invalid port") as caught:
        project_of(ports=["80:80", entry]).check_balanced("echo", 1)
    assert str(entry) in caught.value.message


@pytest.mark.parametrize(
    ("entry", "meant"),
    [
        (1_093_342, "18222:22"),
        ({"target": 1_093_342}, "18222:22"),
        ("1093342/tcp", ""),
        (484_800, "8080:0"),
        (65_536, "1092:16"),
        (3_932_160, ""),
        ("8080:70000", ""),
        ({"target": 80, "published": "70000"}, ""),
        ("8080:0", ""),
    ],
)
def test_an_impossible_port_is_told_with_what_was_meant(entry: Any, meant: str) -> None:
    with pytest.raises(ComposectlError, match="publishes an invalid port") as caught:
        project_of(ports=[entry]).check_balanced("echo", 1)
    assert (f'write `"{meant}"`' in caught.value.hint) is bool(meant)


@pytest.mark.parametrize("udp", ["53/udp", "5300-5301:53/udp"])
def test_udp_ports_with_room_for_all_are_no_hindrance(udp: str) -> None:
    project_of(ports=["80:80", udp]).check_balanced("echo", 2)


@pytest.mark.parametrize("mode", ["host", "none", "service:db", "container:shop-db-1"])
def test_a_replica_needs_an_address_of_its_own(mode: str) -> None:
    with pytest.raises(ComposectlError, match=f"network_mode: {mode}"):
        project_of(network_mode=mode, ports=["80:80"]).check_balanced("echo", 1)


def test_the_default_bridge_gives_addresses() -> None:
    OF_2016.check_balanced("echo", 10)


# What cannot come up without being balanced


@pytest.mark.parametrize(
    ("service", "scale"),
    [
        ({"ports": ["8080:80"]}, 1),
        ({"ports": ["8080:80"]}, 0),
        ({"ports": ["80"]}, 3),
        ({"ports": ["8000-8002:80"]}, 3),
        ({}, 3),
        ({"ports": ["8080:80"], "network_mode": "host"}, 3),
    ],
)
def test_ports_with_room_for_all_need_no_balancing(service: Any, scale: int) -> None:
    project_of(**service).check_not_balanced("echo", scale)


@pytest.mark.parametrize(
    ("ports", "place", "hint"),
    [
        (["8080:80"], "port 8080, which 1 replica of 3", "`composectl up --balance echo=3`"),
        (["127.0.0.1:8080:80"], "127.0.0.1:8080, which 1 replica of 3", "`composectl up --balance echo=3`"),
        (["8000-8001:80"], "port 8000-8001, which 2 replicas of 3", "`composectl up --balance echo=3`"),
        (["8080:80", "53:53/udp"], "port 8080, which 1 replica of 3", "`composectl up --balance echo=3 --drop-udp`"),
        (["53:53/udp"], "port 53, which 1 replica of 3", "publish a range of 3 ports, or run 1 replica"),
    ],
)
def test_a_fixed_port_of_several_replicas_has_to_be_balanced(ports: list[str], place: str, hint: str) -> None:
    with pytest.raises(ComposectlError) as caught:
        project_of(ports=ports).check_not_balanced("echo", 3)
    assert caught.value.message == f"service `echo` publishes {place} can bind"
    assert hint in caught.value.hint


# Profiles


PROFILES = Project(
    "shop",
    {
        "services": {
            "web": {"profiles": ["front", "all"], "depends_on": ["api", "cache", "db"]},
            "api": {"profiles": ["all"]},
            "cache": {},
            "db": {"profiles": ["back"]},
            "docs": {"profiles": ["front"]},
        }
    },
)


def test_a_service_that_is_named_enables_its_profiles_for_what_it_needs() -> None:
    assert PROFILES.enabled_by(["web"]) == {"web", "api"}
    assert PROFILES.enabled_by(["cache"]) == {"cache"}
    assert PROFILES.enabled_by(["unknown"]) == set()


def test_the_profiles_of_services_are_told() -> None:
    assert PROFILES.profiles(["web", "db"]) == ("all", "back", "front")
    assert PROFILES.profiles(["cache", "unknown"]) == ()


def test_what_is_needed_of_another_profile_is_told() -> None:
    with pytest.raises(
        ComposectlError, match="service `db` is needed, but its profile `back` is not enabled"
    ) as caught:
        PROFILES.check_enabled(["web"], ())
    assert "`composectl --profile back up ...`" in caught.value.hint


@pytest.mark.parametrize(
    ("services", "profiles"), [(["web"], ["back"]), (["web"], ["*"]), (["cache", "docs"], []), ([], [])]
)
def test_what_is_enabled_may_be_needed(services: list[str], profiles: list[str]) -> None:
    PROFILES.check_enabled(services, profiles)


def test_what_a_service_can_do_without_may_be_disabled() -> None:
    needs = {"db": {"condition": "service_started", "required": False}, "cache": {"condition": "service_started"}}
    services = {"web": {"depends_on": needs}, "db": {"profiles": ["back"]}, "cache": {}}
    project = Project("shop", {"services": services})
    project.check_enabled(["web"], ())
    assert project.started_with(["web"]) == {"web", "db", "cache"}
