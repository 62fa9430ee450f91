"""The JSON Schema that is shipped, beside what is taken and refused in fact."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from textwrap import dedent
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from composectl.balance.policy import POLICIES
from composectl.compose.project import read_x_balance
from composectl.config.options import KEYS
from composectl.config.x_balance import parse_x_balance, schema
from composectl.errors import ComposectlError
from tests.support.paths import ROOT

SCHEMA = json.loads((files("composectl.compose") / "x-balance.schema.json").read_text())
EXAMPLE = re.compile(r"^(?:    .*\n)+", re.MULTILINE)
MAPPING = SCHEMA["$defs"]["mapping"]["properties"]


def file_with(value: str) -> str:
    return f"services:\n  echo:\n    image: busybox\n    x-balance: {value}\n  db:\n    image: busybox\n"


def is_valid(value: str) -> bool:
    document: Any = yaml.safe_load(file_with(value))
    return Draft202012Validator(SCHEMA).is_valid(document)


def is_taken(value: str) -> bool:
    try:
        parse_x_balance("echo", read_x_balance(file_with(value))["echo"])
    except ComposectlError:
        return False
    return True


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_it_is_as_the_script_writes_it() -> None:
    assert schema() == SCHEMA


def test_its_keys_are_those_that_are_taken_and_each_is_described() -> None:
    assert MAPPING.keys() == KEYS.keys()
    assert all(key["description"].endswith(".") for key in MAPPING.values())


def test_its_policies_are_those_that_there_are() -> None:
    assert set(MAPPING["policy"]["enum"]) == set(POLICIES)


@pytest.mark.parametrize(
    "value",
    [
        *("10", "0", "'10'", "{}", "{replicas: 3}", "{replicas: '3', policy: p2c}"),
        *(
            "{health_check_path: '/up?x=1'}",
            "{health_check_grpc: true}",
            "{health_check_grpc: shop.Cart}",
            "{sticky: true}",
            "{sticky: 'false'}",
            "{sticky: 'cookie:JSESSIONID'}",
            "{sticky: 'header:X-User'}",
            "{queue_timeout: 0, queue_size: 5, drain_timeout: 0}",
            "{response_timeout: 5, idle_timeout: '5', slow_start: 9}",
        ),
        *(
            "{backend_header: false, drop_udp: true}",
            "{backend_header: 'true'}",
            "{max_request_body: 10m}",
            "{max_request_body: 1000}",
        ),
        *("{trusted_proxies: 10.0.0.0/8}", "{trusted_proxies: [10.0.0.0/8, '::1']}", "{allowed_host: [shop.example]}"),
        *("{protocol: tcp}", "{protocol: 80=tls}", "{protocol: [tls, 80=auto]}", "{protocol: {'80': http, '81': tcp}}"),
        *("{listen: 8080}", "{listen: ['127.0.0.1:8080:80', '[::1]:8080']}", "{port: 80}", "{port: '80', listen: 0}"),
    ],
)
def test_what_is_valid_is_taken(value: str) -> None:
    assert is_valid(value)
    assert is_taken(value)


@pytest.mark.parametrize(
    "value",
    [
        *("ten", "-1", "1001", "{replicas: 1001}", "1.5", "true", "null", "[]", "[10]", "''"),
        *("{replica: 3}", "{max_connections: 10}", "{replicas: many}", "{replicas: -1}", "{replicas: null}"),
        *(
            "{policy: lucky}",
            "{policy: [p2c]}",
            "{health_check_path: up}",
            "{health_check_grpc: 'a b'}",
            "{health_check_grpc: [shop.Cart]}",
            "{sticky: cookie}",
            "{sticky: 'cookie:'}",
            "{sticky: 'cookie:a b'}",
            "{queue_timeout: 5s}",
            "{queue_size: '0'}",
            "{drain_timeout: -1}",
        ),
        *(
            "{backend_header: 'no'}",
            "{drop_udp: 1}",
            "{max_request_body: big}",
            "{max_request_body: 0}",
            "{trusted_proxies: ''}",
            "{trusted_proxies: {a: b}}",
        ),
        *("{protocol: udp}", "{protocol: {'80': udp}}", "{protocol: {'80': 80=tcp}}", "{protocol: {http: tcp}}"),
        *("{listen: http}", "{listen: 70000}", "{port: 0}", "{port: 70000}", "{port: http}"),
    ],
)
def test_what_is_refused_is_not_valid(value: str) -> None:
    assert not is_valid(value)
    assert not is_taken(value)


def test_the_docs_list_every_key() -> None:
    page = (ROOT / "docs" / "reference" / "options.md").read_text()
    assert set(re.findall(r"^\|[^|]*\| `(\w+)` \|", page, re.MULTILINE)) == MAPPING.keys()


def test_the_examples_of_the_docs_are_valid() -> None:
    page = (ROOT / "docs" / "reference" / "x-balance.md").read_text()
    whole, mapping = (yaml.safe_load(dedent(block)) for block in EXAMPLE.findall(page)[:2])
    for document in (whole, {"services": {"echo": mapping}}):
        assert "x-balance" in document["services"]["echo"]
        assert Draft202012Validator(SCHEMA).is_valid(document)


@pytest.mark.parametrize(
    "value",
    ["'${REPLICAS:-10}'", "{replicas: '$N', listen: '${PORT}:80', port: '${TARGET}', max_request_body: '${SIZE}'}"],
)
def test_a_variable_may_stand_for_a_number(value: str) -> None:
    assert is_valid(value)
