"""By which addresses the replicas of an engine are reached."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reach:
    """At their own addresses; where `published_at` is not "", at ports that each of them publishes at that address."""

    published_at: str = ""

    @property
    def is_relayed(self) -> bool:
        """Whether something that the engine runs accepts for the replicas."""
        return bool(self.published_at)


ITS_OWN_ADDRESS = Reach()
