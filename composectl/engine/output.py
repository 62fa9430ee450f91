"""What containers print, line by line, with the moment at which each line came."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from composectl.sanitize import output_lines

_TASK = "com.docker.swarm.task.id="
_FRAME = struct.Struct(">BxxxL")  # the stream and the length
_OF_THE_ENGINE = 3  # why it has no output, as of a node that is down; 1 and 2 are those of the container


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line of a container's output, safe to show; `at` is RFC 3339 with nine digits, which sorts as a text.

    `after_gap`: lines before it were left out.
    """

    at: str
    service: str
    number: int
    text: str
    after_gap: bool = False

    @property
    def source(self) -> str:
        """As Compose writes it before a line: `web-1`."""
        return f"{self.service}-{self.number}" if self.number else self.service


def seconds_of(at: str) -> int:
    """The epoch second of a moment; 0 where it is empty or no moment."""
    try:
        return int(datetime.fromisoformat(at).timestamp())
    except ValueError:
        return 0


def new_lines(output: bytes, service: str, number: int, after: str, count: int) -> list[OutputLine]:
    """What `parse_output` finds in the last `count` lines of a container that was read up to `after`, "" for never."""
    lines = list(parse_output(output, service, number, after))
    if after and len(lines) >= count:
        lines[0] = replace(lines[0], after_gap=True)
    return lines


def parse_output(output: bytes, service: str, number: int, after: str) -> Iterator[OutputLine]:
    """The lines in an answer of GET /containers/{id}/logs with `timestamps=1` that came after the moment `after`."""
    for line in output_lines(output):
        at, _, text = line.partition(" ")
        if at > after:
            yield OutputLine(at, service, number, text)


def parse_service_output(
    output: bytes, service: str, slots: Mapping[str, int], seen: dict[str, str]
) -> list[OutputLine]:
    """The lines in an answer of GET /services/{id}/logs with `timestamps=1` and `details=1` that came after `seen`.

    `slots`: the numbers of tasks, by id. `seen`: the moments of the last lines of tasks, by id; it is updated.
    """
    found: list[tuple[str, OutputLine]] = []
    for line in output_lines(output):
        at, details, text = (*line.split(" ", 2), "", "")[:3]
        task = next((part.removeprefix(_TASK) for part in details.split(",") if part.startswith(_TASK)), "")
        if at > seen.get(task, ""):
            found.append((task, OutputLine(at, service, slots.get(task, 0), text)))
    found.sort(key=lambda pair: pair[1].at)
    seen |= {task: line.at for task, line in found}
    return [line for _, line in found]


def split_streams(answer: bytes) -> bytes:
    """What a container wrote to stdout and stderr, out of the frames of the Docker Engine API.

    The output of a terminal has no frames.
    """
    found, at = [], 0
    while at + _FRAME.size <= len(answer):
        stream, length = _FRAME.unpack_from(answer, at)
        if stream > _OF_THE_ENGINE or answer[at + 1 : at + 4] != b"\0\0\0":
            return answer
        if stream != _OF_THE_ENGINE:
            found.append(answer[at + _FRAME.size : at + _FRAME.size + length])
        at += _FRAME.size + length
    return b"".join(found)
