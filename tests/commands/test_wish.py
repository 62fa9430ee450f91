"""The wish behind the words of a command line."""

import pytest

from composectl.commands.balancing import Balancing
from composectl.commands.wish import Wish, make_wish, parse_listen
from composectl.compose.ports import Port
from composectl.errors import USAGE, ComposectlError


def wish(*balance: str, listen: tuple[str, ...] = (), arguments: tuple[str, ...] = ()) -> Wish:
    return make_wish(balance, Balancing(), listen, detach=False, ready_seconds=60.0, arguments=arguments)


def test_services_and_their_numbers() -> None:
    assert wish("echo=10", "web=0").scales == {"echo": 10, "web": 0}


def test_options_of_compose_and_services_are_told_apart() -> None:
    arguments = wish("echo=2", arguments=("--build", "--pull", "always", "db")).arguments
    assert arguments.options == ("--build", "--pull", "always")
    assert arguments.services == ("db",)


@pytest.mark.parametrize("text", ["echo", "echo=ten", "echo=-1", "=3", "echo=", "echo=1.5"])
def test_what_is_no_scale_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match="SERVICE=N") as raised:
        wish(text)
    assert raised.value.exit_code == USAGE


def test_a_service_given_twice_is_refused() -> None:
    with pytest.raises(ComposectlError, match="given twice"):
        wish("echo=1", "echo=2")


def test_listen_wants_one_service() -> None:
    with pytest.raises(ComposectlError, match="several are balanced"):
        wish("echo=1", "web=2", listen=("8080",))


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("8080", Port("", (8080, 8080), 80, "tcp")),
        ("8080:90", Port("", (8080, 8080), 90, "tcp")),
        ("127.0.0.1:8080", Port("127.0.0.1", (8080, 8080), 80, "tcp")),
        ("127.0.0.1:8080:90", Port("127.0.0.1", (8080, 8080), 90, "tcp")),
        ("[::1]:8080", Port("::1", (8080, 8080), 80, "tcp")),
        ("[::1]:8080:90", Port("::1", (8080, 8080), 90, "tcp")),
        ("0", Port("", (0, 0), 80, "tcp")),
    ],
)
def test_forms_of_listen(text: str, port: Port) -> None:
    assert parse_listen(text, 80) == port


@pytest.mark.parametrize(
    "text", ["", "http", "127.0.0.1", "8080:http", "70000", "8080:70000", ":8080:", "example.org:80"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ComposectlError, match=r"\[HOST:\]PORT\[:TARGET\]"):
        parse_listen(text, 80)
