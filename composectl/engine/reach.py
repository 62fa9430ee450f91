"""By which addresses the replicas of an engine are reached."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reach:
    """At their own addresses; where `published_at` is not "", at ports that each of them publishes at that address.

    `networks`: the ids of those on which they are reached, None for all. `exposed`: each tells by what it exposes which
    port is meant by port 0.
    """

    published_at: str = ""
    networks: frozenset[str] | None = None
    exposed: bool = False

    @property
    def is_relayed(self) -> bool:
        """Whether something that the engine runs accepts for the replicas."""
        return bool(self.published_at)

    def is_near(self, network: str) -> bool:
        """Whether replicas are reached on the network of this id."""
        return self.networks is None or network in self.networks


ITS_OWN_ADDRESS = Reach()
