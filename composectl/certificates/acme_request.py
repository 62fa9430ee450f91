"""What is asked of an authority that speaks ACME, and the files in which that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class AcmeRequest:
    """`server` is the address of its directory; `prefers_http`: its challenges can be answered at port 80."""

    server: str
    email: str
    domains: tuple[str, ...]
    prefers_http: bool

    @property
    def certificate_name(self) -> str:
        """Of the file."""
        return f"acme-{_digest(self.server, *sorted(self.domains))}.pem"

    @property
    def account_name(self) -> str:
        """Of the file."""
        return f"account-{_digest(self.server, self.email)}.key"


# Private


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()[:12]
