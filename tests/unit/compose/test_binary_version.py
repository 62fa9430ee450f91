"""Which version a Compose tells."""

import pytest

from composectl.compose.binary import Compose, api_variables, parse_version


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("1.29.2\n", (1, 29, 2)),
        ("2.40.3-3\n", (2, 40, 3)),
        ("v2.3.3", (2, 3, 3)),
        ("2.24.6-desktop.1", (2, 24, 6)),
        ("5.0.0", (5, 0, 0)),
    ],
)
def test_the_numbers_are_read_and_the_packaging_is_not(answer: str, version: tuple[int, ...]) -> None:
    assert parse_version(answer) == version


@pytest.mark.parametrize("answer", ["", "dev", "7", "Docker version 28.2.2, build e6534b4", "version --short"])
def test_anything_else_is_no_version(answer: str) -> None:
    assert parse_version(answer) is None


def test_it_is_shown_as_a_person_types_it() -> None:
    assert str(Compose(("docker", "compose"), (2, 40, 3))) == "docker compose"


def test_only_major_1_is_v1() -> None:
    assert Compose(("docker-compose",), (1, 29, 2)).is_v1
    assert not Compose(("docker-compose",), (5, 0, 0)).is_v1


@pytest.mark.parametrize(
    ("newest", "variables"), [("1.41", {}), ("1.44", {}), ("1.51", {"COMPOSE_API_VERSION": "1.44"})]
)
def test_v1_speaks_no_api_that_it_does_not_understand(newest: str, variables: dict[str, str]) -> None:
    assert api_variables(Compose(("docker-compose",), (1, 29, 2)), newest) == variables
    assert api_variables(Compose(("docker", "compose"), (2, 40, 3)), newest) == {}
