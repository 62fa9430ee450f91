"""The wish behind the words of `composectl proxy`."""

from __future__ import annotations

import pytest

from composectl.balance.backend import Report
from composectl.compose.ports import Port
from composectl.config.proxy import FixedWish, make_fixed_wish
from composectl.config.service import Balancing
from composectl.errors import USAGE, ComposectlError


def wish(*backends: str, listen: tuple[str, ...] = ("8080",), name: str = "") -> FixedWish:
    return make_fixed_wish(listen, backends, Balancing(), name=name, detach=False)


def test_backends_are_replicas_numbered_as_they_were_given_each_with_its_port() -> None:
    one, other = wish("127.0.0.1:9001", "[::1]:9002").replicas
    assert (one.number, one.name, one.address(0)) == (1, "127.0.0.1:9001", ("127.0.0.1", 9001))
    assert (other.number, other.name, other.address(0)) == (2, "[::1]:9002", ("::1", 9002))
    assert one.report is Report.SILENT


def test_a_backend_keeps_its_id_from_one_run_to_the_next() -> None:
    assert wish("a:1").replicas[0].id == wish("b:1", "a:1").replicas[1].id
    assert len({one.id[:12] for one in wish("a:1", "a:2", "b:1").replicas}) == 3


def test_listeners_are_ports_without_a_target() -> None:
    assert wish("a:1", listen=("8080", "[::1]:0")).ports == [
        Port("", (8080, 8080), 0, "tcp"),
        Port("::1", (0, 0), 0, "tcp"),
    ]


@pytest.mark.parametrize(("listen", "backends"), [(("8080", "8080"), ("a:1",)), (("8080",), ("a:1", "a:1"))])
def test_what_is_given_twice_is_refused(listen: tuple[str, ...], backends: tuple[str, ...]) -> None:
    with pytest.raises(ComposectlError, match="is given twice") as raised:
        wish(*backends, listen=listen)
    assert raised.value.exit_code == USAGE


@pytest.mark.parametrize("name", ["edge", "proxy-8080", "a_b", "0"])
def test_names(name: str) -> None:
    assert wish("a:1", name=name).name == name


@pytest.mark.parametrize("name", ["Edge", "-edge", "a b", "../edge", "é", "a\n"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ComposectlError, match="is not a name") as raised:
        wish("a:1", name=name)
    assert raised.value.exit_code == USAGE
