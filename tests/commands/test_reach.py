"""Whether something answers at an address."""

from composectl.commands.reach import first_reached


async def test_a_refusal_is_an_answer() -> None:
    assert await first_reached(["127.0.0.1"]) == "127.0.0.1"


async def test_where_nobody_is_there_is_no_answer() -> None:
    assert await first_reached(["255.255.255.255", "no address"]) == ""
    assert await first_reached([]) == ""


async def test_the_first_that_answers_is_told() -> None:
    assert await first_reached(["255.255.255.255", "127.0.0.2", "127.0.0.1"]) == "127.0.0.2"
