"""All parts, by name, in the order of a whole run."""

from __future__ import annotations

from bench.parts import (
    bodies,
    capped,
    commands,
    cpu,
    growth,
    grpc,
    https,
    killed,
    latency,
    memory,
    sticky,
    table,
    tcp,
    watched,
    workers,
)
from bench.parts.part import Part

PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        cpu.PART,
        cpu.TRACED,
        latency.PART,
        table.PART,
        watched.PART,
        sticky.PART,
        capped.PART,
        *bodies.PARTS,
        growth.PART,
        *grpc.PARTS,
        *https.PARTS,
        *tcp.PARTS,
        workers.PART,
        killed.PART,
        memory.PART,
        memory.ENCRYPTED,
        memory.IN_STREAMS,
        commands.PART,
    )
}
