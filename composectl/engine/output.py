"""What containers print, line by line, with the moment at which each line came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from composectl.sanitize import output_lines


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line of a container's output, safe to show; `at` is RFC 3339 with nine digits, which sorts as a text."""

    at: str
    service: str
    number: int
    text: str

    @property
    def source(self) -> str:
        """As Compose writes it before a line: `web-1`."""
        return f"{self.service}-{self.number}" if self.number else self.service


def parse_output(output: bytes, service: str, number: int, after: str) -> Iterator[OutputLine]:
    """The lines in an answer of GET /containers/{id}/logs with `timestamps=1` that came after the moment `after`."""
    for line in output_lines(output):
        at, _, text = line.partition(" ")
        if at > after:
            yield OutputLine(at, service, number, text)
