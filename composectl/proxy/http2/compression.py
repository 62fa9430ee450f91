"""Header compression (RFC 7541): header blocks to fields, and back."""

from __future__ import annotations

from typing import Final

from composectl.proxy.head import Fields
from composectl.proxy.http2.field_table import STATIC_FIELDS, STATIC_SIZE, TABLE_SIZE, Field, FieldTable, size_of
from composectl.proxy.http2.frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, Http2Error
from composectl.proxy.http2.huffman import decode_huffman

MAX_FIELDS_SIZE: Final = 32 * 1024  # of a decoded list, as RFC 9113, section 10.5.1, counts it
_MEMO_SIZE: Final = 64
_SEEN_SIZE: Final = 512
# What is larger is not remembered
_MEMO_FIELDS_SIZE: Final = 4 * 1024
_SEEN_FIELD_SIZE: Final = 512
_MAX_DIGITS: Final = 4
_BYTES: Final = [bytes((byte,)) for byte in range(256)]
_NOT_INDEXED: Final = b"\x00"
_NEVER_INDEXED: Final = b"\x10"
_INDEXED_FROM_NOW: Final = b"\x40"
# One connection to a backend carries the requests of many clients: none may learn of another's by a block's size.
_SENSITIVE: Final = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"))
_STATIC_INDEXES: Final[dict[Field, int]] = {field: index for index, field in enumerate(STATIC_FIELDS, 1)}


class FieldDecoder:
    """Decodes header blocks of one direction of a connection.

    A block that does not change the dynamic table means the same until another block changes it: such blocks are
    remembered. `remembered` maps them to anything that the owner makes of their fields.
    """

    __slots__ = ("_may_remember", "_table", "remembered")

    def __init__(self) -> None:
        self._table = FieldTable()
        self._may_remember = False  # the last block changed nothing
        self.remembered: dict[bytes, object] = {}

    def decode(self, block: bytes) -> Fields:
        """The fields of a block that is not remembered. Raises Http2Error."""
        table = self._table
        before = table.changes
        try:
            fields, size = _decode(block, table)
        except IndexError:
            raise Http2Error(COMPRESSION_ERROR, "a bad header block") from None
        if table.changes != before:
            self._may_remember = False
            self.remembered.clear()
        else:
            self._may_remember = size <= _MEMO_FIELDS_SIZE
        return fields

    def remember(self, block: bytes, meaning: object) -> None:
        """What the owner made of the block just decoded; it may be forgotten at any time."""
        if self._may_remember:
            if len(self.remembered) >= _MEMO_SIZE:
                self.remembered.clear()
            self.remembered[block] = meaning


class FieldEncoder:
    """Encodes header blocks of one direction of a connection.

    A field that comes for the first time goes out as a literal, and enters the dynamic table when it comes again: so
    that what changes with every message does not push out what stays.
    """

    __slots__ = ("_is_resized", "_numbers", "_seen", "_smallest", "_table", "remembered")

    def __init__(self) -> None:
        self._table = FieldTable()
        self._seen: set[int] = set()  # hashes: fields kept here would set off the garbage collector
        self._numbers: dict[Field, int] = {}  # of the fields that have entered the table, from 1
        self._is_resized = False  # since the last block
        self._smallest = TABLE_SIZE
        self.remembered: dict[object, bytes] = {}

    def set_max_table_size(self, size: int) -> None:
        """The peer's SETTINGS_HEADER_TABLE_SIZE; no more than 4,096 bytes are used."""
        size = min(size, TABLE_SIZE)
        if size == self._table.limit:
            return
        self._smallest = min(size, self._smallest) if self._is_resized else size
        self._is_resized = True
        self._table.resize(size)
        self.remembered.clear()

    def encode(self, fields: Fields, key: object = None) -> bytes:
        """The block of these fields, with names in lower case; `key` stands for equal fields, where it is given."""
        before = self._table.changes
        is_stable = not self._is_resized
        parts = [] if is_stable else [self._size_update()]
        for field in fields:
            index = _STATIC_INDEXES.get(field, 0) or self._index_of(field)
            if index:
                parts.append(_integer(0x80, 0x7F, index))
            elif field[0] in _SENSITIVE:
                parts.append(literal(field[0], field[1], _NEVER_INDEXED))
            elif size_of(field) > _SEEN_FIELD_SIZE or not self._table.fits(field):
                parts.append(literal(field[0], field[1]))
            elif self._has_come(field):
                self._add(field)
                parts.append(literal(field[0], field[1], _INDEXED_FROM_NOW))
            else:
                is_stable = False
                parts.append(literal(field[0], field[1]))
        block = b"".join(parts)
        if self._table.changes != before:
            self.remembered.clear()
        elif is_stable and key is not None and len(block) <= _MEMO_FIELDS_SIZE:
            if len(self.remembered) >= _MEMO_SIZE:
                self.remembered.clear()
            self.remembered[key] = block
        return block

    # Private

    def _index_of(self, field: Field) -> int:
        """Where it stands in the dynamic table, or 0."""
        number = self._numbers.get(field, 0)
        age = self._table.added - number
        return STATIC_SIZE + 1 + age if number and age < len(self._table) else 0

    def _add(self, field: Field) -> None:
        self._table.add(field)
        if len(self._numbers) >= _SEEN_SIZE:
            oldest = self._table.added - len(self._table)
            self._numbers = {known: number for known, number in self._numbers.items() if number > oldest}
        self._numbers[field] = self._table.added

    def _has_come(self, field: Field) -> bool:
        """Whether the field has come before; it has from now on."""
        number = hash(field)
        if number in self._seen:
            return True
        if len(self._seen) >= _SEEN_SIZE:
            self._seen.clear()
        self._seen.add(number)
        return False

    def _size_update(self) -> bytes:
        """RFC 7541, section 4.2: the smallest size since the last block, and the one that holds now."""
        self._is_resized = False
        now = _integer(0x20, 0x1F, self._table.limit)
        return now if self._smallest == self._table.limit else _integer(0x20, 0x1F, self._smallest) + now


def literal(name: bytes, value: bytes, first: bytes = _NOT_INDEXED) -> bytes:
    """A literal field with a literal name, without Huffman coding (RFC 7541, section 6.2); not indexed by default."""
    return b"".join((first, _integer(0, 0x7F, len(name)), name, _integer(0, 0x7F, len(value)), value))


def literals(fields: Fields) -> bytes:
    """Fields that enter no table, with names in lower case."""
    return b"".join(
        [literal(name, value, _NEVER_INDEXED if name in _SENSITIVE else _NOT_INDEXED) for name, value in fields]
    )


# Private


def _decode(block: bytes, table: FieldTable) -> tuple[Fields, int]:
    """The fields of a block, and their size. Raises Http2Error, and IndexError where it ends too early."""
    fields: Fields = []
    at, end, size = 0, len(block), 0
    while at < end:
        first = block[at]
        if first & 0x80:
            index, at = _read_integer(block, at, 0x7F)
            field = table.field(index)
        elif first & 0xE0 == 0x20:
            limit, at = _read_integer(block, at, 0x1F)
            if fields or limit > TABLE_SIZE:
                raise Http2Error(COMPRESSION_ERROR, "a bad size of the dynamic table")
            table.resize(limit)
            continue
        else:
            index, at = _read_integer(block, at, 0x3F if first & 0x40 else 0x0F)
            if index:
                name = table.field(index)[0]
            else:
                name, at = _read_string(block, at)
            value, at = _read_string(block, at)
            field = (name, value)
            if first & 0x40:
                table.add(field)
        fields.append(field)
        size += size_of(field)
        if size > MAX_FIELDS_SIZE:
            raise Http2Error(ENHANCE_YOUR_CALM, "the header list is too large")
    return fields, size


def _read_integer(block: bytes, at: int, most: int) -> tuple[int, int]:
    """RFC 7541, section 5.1: the number whose prefix are the bits of `most`, and the place behind it."""
    number = block[at] & most
    at += 1
    if number < most:
        return number, at
    for digit in range(_MAX_DIGITS):
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << 7 * digit
        if byte < 0x80:
            return number, at
    raise Http2Error(COMPRESSION_ERROR, "a number is too long")


def _read_string(block: bytes, at: int) -> tuple[bytes, int]:
    """RFC 7541, section 5.2: the string, and the place behind it."""
    is_coded = block[at] & 0x80
    length, at = _read_integer(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise Http2Error(COMPRESSION_ERROR, "a string is cut off")
    text = block[at:end]
    return decode_huffman(text) if is_coded else text, end


def _integer(first: int, most: int, number: int) -> bytes:
    """RFC 7541, section 5.1: a number behind the bits of `first`; its prefix are the bits of `most`."""
    if number < most:
        return _BYTES[first | number]
    digits = [first | most]
    number -= most
    while number >= 0x80:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
