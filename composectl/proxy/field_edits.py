"""Fields that the proxy sets in requests or in responses, or removes from them, as the user asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class FieldEdit:
    """The field gets this value in place of any that it has; with an empty one it is removed."""

    name: bytes
    value: bytes

    def __str__(self) -> str:
        """What may be shown: a value may be a secret."""
        return f"{self.name.decode()} {sha256(self.value).hexdigest()[:8]}" if self.value else f"{self.name.decode()}="


@dataclass(frozen=True, slots=True)
class HeaderConfig:
    """What is edited in the requests that backends get, and in the responses that they give."""

    request_header: tuple[FieldEdit, ...] = ()
    response_header: tuple[FieldEdit, ...] = ()


class FieldEdits:
    """Edits of a head. CGI and its heirs take `_` for `-`: such twins of a name are replaced, too."""

    __slots__ = ("_names", "_set")

    def __init__(self, edits: tuple[FieldEdit, ...]) -> None:
        self._names = frozenset([_folded(edit.name) for edit in edits])
        self._set = [(edit.name, edit.value) for edit in edits if edit.value]

    def concerns(self, name: bytes) -> bool:
        """Whether a field of this name is replaced or removed."""
        return _folded(name) in self._names

    def apply(self, fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = self._names
        return [field for field in fields if _folded(field[0]) not in names] + self._set


def make_edits(edits: tuple[FieldEdit, ...]) -> FieldEdits | None:
    """None where nothing is edited."""
    return FieldEdits(edits) if edits else None


# Private


def _folded(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")
