"""Header compression (RFC 7541) by the library hpack, which is asked only for blocks that it has not seen."""

from __future__ import annotations

from typing import Any, cast

from hpack import Decoder, Encoder
from hpack.exceptions import HPACKError, OversizedHeaderListError
from hpack.table import HeaderTable

from composectl.proxy.head import Fields
from composectl.proxy.http2.frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, Http2Error

MAX_FIELDS_SIZE = 32 * 1024  # of a decoded list, as RFC 9113, section 10.5.1, counts it
_TABLE_SIZE = 4_096
_MEMO_SIZE = 64
_SEEN_SIZE = 512
_NOT_INDEXED, _NEVER_INDEXED = b"\x00", b"\x10"
# One connection to a backend carries the requests of many clients: none may learn of another's by a block's size.
_SENSITIVE = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"))


class _Table(HeaderTable):
    """A dynamic table that counts its changes."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.version += 1
        super().add(name, value)

    @property
    def maxsize(self) -> int:
        return self._maxsize

    @maxsize.setter
    def maxsize(self, newmax: int) -> None:
        self.version += 1
        cast(Any, HeaderTable.maxsize).fset(self, newmax)


class FieldDecoder:
    """Decodes header blocks of one direction of a connection.

    A block that does not change the dynamic table means the same until another block changes it: such blocks are
    remembered. `remembered` maps them to anything that the owner makes of their fields.
    """

    def __init__(self) -> None:
        self._decoder = Decoder(MAX_FIELDS_SIZE)
        self._table = self._decoder.header_table = _Table()
        self._is_stable = False  # the last block changed nothing
        self.remembered: dict[bytes, object] = {}

    def decode(self, block: bytes) -> Fields:
        """The fields of a block that is not remembered. Raises Http2Error."""
        before = self._table.version
        try:
            fields = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except OversizedHeaderListError:
            raise Http2Error(ENHANCE_YOUR_CALM, "the header list is too large") from None
        except (HPACKError, IndexError, ValueError) as error:
            raise Http2Error(COMPRESSION_ERROR, str(error)) from None
        self._is_stable = self._table.version == before
        if not self._is_stable:
            self.remembered.clear()
        return fields

    def remember(self, block: bytes, meaning: object) -> None:
        """What the owner made of the block just decoded; it may be forgotten at any time."""
        if self._is_stable:
            if len(self.remembered) >= _MEMO_SIZE:
                self.remembered.clear()
            self.remembered[block] = meaning


class FieldEncoder:
    """Encodes header blocks of one direction of a connection.

    A field that comes for the first time goes out as a literal, and enters the dynamic table when it comes again: so
    that what changes with every message does not push out what stays.
    """

    def __init__(self) -> None:
        self._encoder = Encoder()
        self._table = self._encoder.header_table = _Table()
        self._seen: dict[tuple[bytes, bytes], None] = {}
        self.remembered: dict[object, bytes] = {}

    def set_max_table_size(self, size: int) -> None:
        """The peer's SETTINGS_HEADER_TABLE_SIZE; no more than 4,096 bytes are used."""
        self._encoder.header_table_size = min(size, _TABLE_SIZE)
        self.remembered.clear()

    def encode(self, fields: Fields, key: object = None) -> bytes:
        """The block of these fields, with names in lower case; `key` stands for equal fields, where it is given."""
        before = self._table.version
        resized = self._table.resized
        parts = [self._encoder.encode(())] if resized else []
        is_stable = True
        for field in fields:
            if field[0] in _SENSITIVE:
                parts.append(literal(*field, first=_NEVER_INDEXED))
            elif self._is_known(field):
                parts.append(self._encoder.add(field, False, False))
            else:
                is_stable = False
                parts.append(literal(*field))
        block = b"".join(parts)
        if self._table.version != before:
            self.remembered.clear()
        elif is_stable and key is not None and not resized:
            if len(self.remembered) >= _MEMO_SIZE:
                self.remembered.clear()
            self.remembered[key] = block
        return block

    # Private

    def _is_known(self, field: tuple[bytes, bytes]) -> bool:
        """Whether the field is in a table, or is to enter it."""
        if field in self._seen:
            return True
        if len(self._seen) >= _SEEN_SIZE:
            self._seen.clear()
        self._seen[field] = None
        static = HeaderTable.STATIC_TABLE_MAPPING.get(field[0])
        return static is not None and field[1] in static[1]


def literal(name: bytes, value: bytes, first: bytes = _NOT_INDEXED) -> bytes:
    """A literal field that enters no table, without Huffman coding (RFC 7541, sections 6.2.2 and 6.2.3)."""
    return b"".join((first, _length(name), name, _length(value), value))


# Private


def _length(text: bytes) -> bytes:
    """The length of a string that is not coded (RFC 7541, section 5.1)."""
    size = len(text)
    if size < 127:
        return bytes((size,))
    digits = bytearray((127,))
    size -= 127
    while size >= 128:
        digits.append(size & 127 | 128)
        size >>= 7
    digits.append(size)
    return bytes(digits)
