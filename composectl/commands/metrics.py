"""`--metrics`: where Prometheus scrapes one running composectl."""

from __future__ import annotations

from pathlib import Path

from composectl import errors
from composectl.commands.addresses import Address, parse_listener
from composectl.commands.telling import say
from composectl.commands.view import Listening, View
from composectl.control.scrapes import serve_metrics
from composectl.control.scraping import Scraping
from composectl.proxy.listen import address_of

_HERE = "127.0.0.1"


def parse_metrics(text: str | None) -> Address | None:
    """`[HOST:]PORT` as it is typed, if it is; without a host it is 127.0.0.1. Raises `bad_metrics`."""
    if text is None:
        return None
    try:
        address = parse_listener(text)
    except errors.ComposectlError:
        raise errors.bad_metrics(text) from None
    return Address(address.host or _HERE, address.port)


class Metrics(View):
    """Raises `no_metrics` where the port cannot be had."""

    def __init__(self, at: Address, folder: Path, inherited: Listening) -> None:
        super().__init__("--metrics", at, folder, inherited, errors.no_metrics)
        self._named = at.host

    @property
    def url(self) -> str:
        """Where they are scraped."""
        return f"http://{address_of(self.sockets[0])}/metrics"

    async def open(self, scraping: Scraping) -> None:
        """Answer scrapes, and say where."""
        from composectl.control import metrics  # noqa: F401 - slow to import: better now than at the first scrape

        self.reception = await serve_metrics(scraping, self._named, self.sockets)
        say(f"metrics: {self.url}")
