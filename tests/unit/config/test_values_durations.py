"""Times as they are typed."""

import pytest

from composectl.config.values import DURATION, parse
from composectl.errors import ComposectlError


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("500ms", 0.5), ("2m", 120), ("5", 5), ("0", 0), ("1.5s", 1.5)]
)
def test_a_number_with_or_without_a_unit(text: str, seconds: float) -> None:
    assert parse(DURATION, text, "--monitor") == seconds


@pytest.mark.parametrize("text", ["", "s", "5 s", "-1s", "5h", "1e3", "nan", "\u0665s", "5s\n"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="expected a duration"):
        parse(DURATION, text, "--monitor")
