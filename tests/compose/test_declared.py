"""What stands under `x-balance`, in the YAML that docker-compose 1.29.2 and Compose 2.40.3 print."""

from composectl.compose.declared import parse_declared

PRINTED = """\
services:
  echo:
    image: busybox
    x-balance:
      hold: 5
      identity: false
      policy: p2c
      replicas: {quote}10{quote}
      health: /a$$b
      trust:
      - 10.0.0.0/8
  two:
    image: busybox
    x-balance: {quote}7{quote}
  three:
    environment:
      ODD: =
"""


def test_numbers_and_texts_of_digits_are_the_same() -> None:
    assert parse_declared(PRINTED.format(quote="")) == parse_declared(PRINTED.format(quote="'"))


def test_every_scalar_is_a_text_and_a_dollar_is_one() -> None:
    assert parse_declared(PRINTED.format(quote="")) == {
        "echo": {
            "hold": "5",
            "identity": "false",
            "policy": "p2c",
            "replicas": "10",
            "health": "/a$b",
            "trust": ["10.0.0.0/8"],
        },
        "two": "7",
    }


def test_where_nobody_declares_anything_there_is_nothing() -> None:
    assert parse_declared("services:\n  echo:\n    image: busybox\n") == {}


def test_the_word_elsewhere_declares_nothing() -> None:
    assert parse_declared("services:\n  echo:\n    image: x-balance\nx-balance: 3\n") == {}
    assert parse_declared("x-balance: 3\n") == {}
