"""The protocol of a published port: how the proxy treats the connections that come to it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Protocol(StrEnum):
    """Values are those of `--protocol`; docs/reference/protocols.md describes each."""

    AUTO = "auto"
    HTTP = "http"
    TCP = "tcp"
    TLS = "tls"


BY_CONNECTION: Final = (Protocol.TCP, Protocol.TLS)
# Container ports of databases, brokers and caches, and of protocols in which the server speaks first
WELL_KNOWN_TCP_PORTS = frozenset(
    {21, 22, 25, 110, 143, 389, 587, 636, 993, 995, 1433, 1521, 1883, 2181}
    | {3306, 4222, 5432, 5671, 5672, 6379, 7687, 8883, 9042, 9092, 11211, 27017}
)


def usual_protocol(container_port: int) -> Protocol:
    """That of a port for which nothing is written."""
    return Protocol.TCP if container_port in WELL_KNOWN_TCP_PORTS else Protocol.AUTO
