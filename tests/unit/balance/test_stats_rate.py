"""Requests per second, from one sample a second."""

from composectl.balance.stats import Rate


def test_each_second_has_its_own_count() -> None:
    rate = Rate()
    for count in (10, 10, 40):
        rate.sample(count)
    assert rate.minute == (10, 0, 30)


def test_the_recent_rate_is_of_the_last_five_seconds() -> None:
    rate = Rate()
    assert rate.recent == 0.0
    for count in (1000, 1010, 1020, 1030, 1040, 1050):
        rate.sample(count)
    assert rate.recent == 10.0


def test_a_minute_is_kept() -> None:
    rate = Rate()
    for count in range(100):
        rate.sample(count)
    assert len(rate.minute) == 60
