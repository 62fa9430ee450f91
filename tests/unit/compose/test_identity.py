"""What several replicas cannot share: it is told, and left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.compose.identity import own_keys, without_own_keys
from tests.support.examples import examples

MAC = "02:42:ac:11:65:43"


@pytest.mark.parametrize(
    ("definition", "keys", "shared"),
    [
        ({"image": "a"}, (), {"image": "a"}),
        ({"container_name": "only"}, ("container_name: only",), {}),
        ({"mac_address": MAC}, (f"mac_address: {MAC}",), {}),
        (
            {"networks": {"back": {"ipv4_address": "172.28.0.10", "aliases": ["web"]}, "front": None}},
            ("networks.back.ipv4_address: 172.28.0.10",),
            {"networks": {"back": {"aliases": ["web"]}, "front": None}},
        ),
        (
            {"networks": {"back": {"ipv6_address": "fd00::10", "mac_address": MAC, "priority": 1}}},
            ("networks.back.ipv6_address: fd00::10", f"networks.back.mac_address: {MAC}"),
            {"networks": {"back": {"priority": 1}}},
        ),
        (
            {"networks": {"back": {"link_local_ips": ["169.254.1.1", "169.254.1.2"]}}},
            ("networks.back.link_local_ips: 169.254.1.1, 169.254.1.2",),
            {"networks": {"back": {}}},
        ),
        ({"networks": ["back"]}, (), {"networks": ["back"]}),
        ({"container_name": None, "networks": {"back": {"ipv4_address": ""}}}, (), {"networks": {"back": {}}}),
    ],
)
def test_names_and_addresses_are_of_one_container(
    definition: dict[str, Any], keys: tuple[str, ...], shared: dict[str, Any]
) -> None:
    assert own_keys(definition) == keys
    assert without_own_keys(definition) == shared


KEYS = st.sampled_from(["ipv4_address", "ipv6_address", "mac_address", "link_local_ips", "aliases", "priority"])
TEXTS = st.sampled_from(["", "a"])
NETWORKS = st.dictionaries(st.sampled_from("ab"), st.none() | st.dictionaries(KEYS, TEXTS))
DEFINITIONS = st.fixed_dictionaries(
    {},
    optional={"image": TEXTS, "container_name": TEXTS, "mac_address": TEXTS, "networks": NETWORKS | st.just(["a"])},
)


@examples(50)
@given(DEFINITIONS)
def test_what_is_left_has_nothing_of_its_own_and_is_all_the_rest(definition: dict[str, Any]) -> None:
    shared = without_own_keys(definition)
    assert own_keys(shared) == ()
    assert without_own_keys(shared) == shared
    assert shared.get("image") == definition.get("image")
    assert list(shared.get("networks", ())) == list(definition.get("networks", ()))
