"""The tables of header compression (RFC 7541, section 2.3)."""

from __future__ import annotations

from typing import Final

from hpack.table import HeaderTable

Field = tuple[bytes, bytes]

STATIC_FIELDS: Final[list[Field]] = list(HeaderTable.STATIC_TABLE)
STATIC_SIZE: Final = len(STATIC_FIELDS)
TABLE_SIZE: Final = 4_096
_OVERHEAD: Final = 32
_NO_FIELD: Final[Field] = (b"", b"")
_MOST_GONE: Final = 128


class FieldTable:
    """The dynamic table of one direction. `added`: the fields that have entered it; `changes` of any kind."""

    __slots__ = ("_entries", "_first", "_size", "added", "changes", "limit")

    def __init__(self) -> None:
        self._entries: list[Field] = []  # the newest last; those before `_first` were evicted
        self._first = 0
        self._size = 0
        self.limit = TABLE_SIZE
        self.added = 0
        self.changes = 0

    def __len__(self) -> int:
        return len(self._entries) - self._first

    def field(self, index: int) -> Field:
        """The field at the index of RFC 7541, section 2.3.3. Raises IndexError."""
        if index <= STATIC_SIZE:
            if index < 1:
                raise IndexError("there is no field 0")
            return STATIC_FIELDS[index - 1]
        at = len(self._entries) + STATIC_SIZE - index
        if at < self._first:
            raise IndexError("the table has no such field")
        return self._entries[at]

    def fits(self, field: Field) -> bool:
        return size_of(field) <= self.limit

    def add(self, field: Field) -> None:
        """Let a field enter; one that is too large empties the table (RFC 7541, section 4.4)."""
        self.changes += 1
        self.added += 1
        self._entries.append(field)
        self._size += size_of(field)
        if self._size > self.limit:
            self._evict()

    def resize(self, limit: int) -> None:
        self.changes += 1
        self.limit = limit
        self._evict()

    # Private

    def _evict(self) -> None:
        entries, first = self._entries, self._first
        while self._size > self.limit:
            self._size -= size_of(entries[first])
            entries[first] = _NO_FIELD
            first += 1
        if first > _MOST_GONE:
            del entries[:first]
            first = 0
        self._first = first


def size_of(field: Field) -> int:
    """What a field counts in a table, and in a list (RFC 7541, section 4.1)."""
    return _OVERHEAD + len(field[0]) + len(field[1])
