"""The options of `docker stack deploy` that `up --swarm` passes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StackOptions:
    """`resolve_image`: always, changed or never."""

    with_registry_auth: bool = False
    prune: bool = False
    resolve_image: str = "always"

    def argv(self, *, is_whole: bool) -> tuple[str, ...]:
        """For a file with the whole stack, or with a part of it, which prunes nothing."""
        flags = {"--with-registry-auth": self.with_registry_auth, "--prune": self.prune and is_whole}
        return (*(flag for flag, is_set in flags.items() if is_set), "--resolve-image", self.resolve_image)
