"""What stands under `x-balance`, in the YAML that docker-compose 1.29.2 and Compose 2.40.3 print."""

from pathlib import Path

import pytest

from composectl.compose.project import read_x_balance, services_with_x_balance

PRINTED = """\
services:
  echo:
    image: busybox
    x-balance:
      queue_timeout: 5
      backend_header: false
      policy: p2c
      replicas: {quote}10{quote}
      health_check_path: /a$$b
      trusted_proxies:
      - 10.0.0.0/8
  two:
    image: busybox
    x-balance: {quote}7{quote}
  three:
    environment:
      ODD: =
"""


def test_numbers_and_texts_of_digits_are_the_same() -> None:
    assert read_x_balance(PRINTED.format(quote="")) == read_x_balance(PRINTED.format(quote="'"))


def test_every_scalar_is_a_text_and_a_dollar_is_one() -> None:
    assert read_x_balance(PRINTED.format(quote="")) == {
        "echo": {
            "queue_timeout": "5",
            "backend_header": "false",
            "policy": "p2c",
            "replicas": "10",
            "health_check_path": "/a$b",
            "trusted_proxies": ["10.0.0.0/8"],
        },
        "two": "7",
    }


def test_where_no_service_declares_anything_there_is_nothing() -> None:
    assert read_x_balance("services:\n  echo:\n    image: busybox\n") == {}


def test_the_word_elsewhere_declares_nothing() -> None:
    assert read_x_balance("services:\n  echo:\n    image: x-balance\nx-balance: 3\n") == {}
    assert read_x_balance("x-balance: 3\n") == {}


def test_files_tell_which_services_declare_something(tmp_path: Path) -> None:
    first, second = tmp_path / "one.yml", tmp_path / "two.yml"
    first.write_text(PRINTED.format(quote=""))
    second.write_text("services:\n  four:\n    ports: !reset []\n    x-balance: 3\n")
    assert services_with_x_balance([first, second]) == {"echo", "two", "four"}


@pytest.mark.parametrize("text", ["", "[]", "services: 3", "services: {echo: 3}", "services: [", "\0"])
def test_a_file_that_cannot_be_read_declares_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "compose.yml"
    file.write_text(text)
    assert services_with_x_balance([file, tmp_path / "missing.yml"]) == set()
