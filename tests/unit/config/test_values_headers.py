"""Headers that are set or removed, as they are typed."""

from __future__ import annotations

import pytest

from composectl.config.service import BalancingConfig
from composectl.config.settings import build, texts_of
from composectl.config.x_balance import parse_x_balance
from composectl.errors import USAGE, ComposectlError
from composectl.proxy.field_edits import FieldEdit, HeaderConfig
from tests.support.options import flags

BOTH = ["request_header", "response_header"]


def test_each_option_is_its_edit() -> None:
    settings = flags(request_header=("X-Env=a=b, c", "Cookie="), response_header=("Server=",))
    assert build(BalancingConfig, settings).headers == HeaderConfig(
        (FieldEdit(b"X-Env", b"a=b, c"), FieldEdit(b"Cookie", b"")), (FieldEdit(b"Server", b""),)
    )


@pytest.mark.parametrize("value", [{"X-Env": "prod", "Cookie": ""}, ["X-Env=prod", "Cookie="]])
def test_a_compose_file_has_a_mapping_or_a_list(value: object) -> None:
    declared = parse_x_balance("web", {"request_header": value})
    edits = build(BalancingConfig, declared.settings).headers.request_header
    assert edits == (FieldEdit(b"X-Env", b"prod"), FieldEdit(b"Cookie", b""))


@pytest.mark.parametrize("option", BOTH)
@pytest.mark.parametrize(
    "text",
    [
        *("", "X-Env", "=a", "X Env=a", "X-Env: a", "X-Env=a\nb", "X-Env=\r", "X-Env=\xe4", "X-Env= a", "X-Env=a "),
        *("Content-Length=1", "transfer-encoding=chunked", "Connection=close", "TE=trailers", "Upgrade=h2c"),
        *("X-Composectl-Replica=3", "x_composectl_error=a", "X-Request-ID=1", f"X-Env={'a' * 5000}"),
    ],
)
def test_what_is_no_header_and_what_the_proxy_writes_is_refused(option: str, text: str) -> None:
    with pytest.raises(ComposectlError, match="expected NAME=VALUE, with a header that the proxy does not") as raised:
        flags(**{option: (text,)})
    assert raised.value.exit_code == USAGE


@pytest.mark.parametrize(
    "text", ["Host=a", "Via=a", "X-Forwarded-For=::1", "X_Forwarded_For=::1", "Content_Length=1", "Expect=a"]
)
def test_what_the_proxy_writes_into_requests_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="expected NAME=VALUE"):
        flags(request_header=(text,))


def test_a_header_has_one_value() -> None:
    with pytest.raises(ComposectlError, match="gives one header two values"):
        flags(request_header=("X-Env=a", "x-env=b"))


@pytest.mark.parametrize("text", ["Authorization: Bearer hunter2", "Authorization Bearer hunter2", "Via=hunter2"])
def test_a_value_is_not_repeated(text: str) -> None:
    with pytest.raises(ComposectlError) as raised:
        flags(request_header=(text,))
    assert "hunter2" not in raised.value.message + raised.value.hint


def test_a_running_composectl_tells_no_value() -> None:
    config = build(BalancingConfig, flags(request_header=("Authorization=Bearer hunter2",)))
    assert "hunter2" not in str(texts_of(config))
