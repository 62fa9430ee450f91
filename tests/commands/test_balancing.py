"""The options that say how requests are balanced."""

from __future__ import annotations

import pytest

from composectl.commands.balancing import Balancing, balancing
from composectl.errors import USAGE, ComposectlError
from tests.commands.typed import given


def test_without_a_word_it_is_the_default() -> None:
    assert balancing(given()) == Balancing()


@pytest.mark.parametrize("path", ["/", "/healthz", "/up?full=1&x=%20", "/~a;b=c"])
def test_a_path_to_ask_for(path: str) -> None:
    assert balancing(given(health=path)).health == path


@pytest.mark.parametrize("text", ["", "healthz", "http://a/", "/a b", "/a#b", "/ä", "/a\r\nHost: b", "/a\n"])
def test_what_cannot_be_asked_for_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="not a path") as raised:
        balancing(given(health=text))
    assert raised.value.exit_code == USAGE
    assert "--health /healthz" in raised.value.hint
