"""The Huffman code of header compression (RFC 7541, section 5.2 and appendix B), four bits at a time."""

from __future__ import annotations

from typing import Final

from hpack.huffman_table import HUFFMAN_COMPLETE, HUFFMAN_EMIT_SYMBOL, HUFFMAN_FAIL, HUFFMAN_TABLE

from composectl.proxy.http2.frames import COMPRESSION_ERROR, Http2Error

# For each state, sixteen rows: the next state, what came with it, and the symbol that is complete then
_NEXT: Final = bytes([row[0] for row in HUFFMAN_TABLE])
_FLAGS: Final = bytes([row[1] for row in HUFFMAN_TABLE])
_SYMBOLS: Final = bytes([row[2] for row in HUFFMAN_TABLE])
_COMPLETE: Final = int(HUFFMAN_COMPLETE)
_EMITS: Final = int(HUFFMAN_EMIT_SYMBOL)
_FAILS: Final = int(HUFFMAN_FAIL)


def decode_huffman(text: bytes) -> bytes:
    """The string that `text` stands for. Raises Http2Error."""
    symbols: list[int] = []
    state, flags = 0, _COMPLETE
    for at in range(len(text)):
        byte = text[at]
        row = state << 4 | byte >> 4
        flags = _FLAGS[row]
        if flags & _FAILS:
            break
        if flags & _EMITS:
            symbols.append(_SYMBOLS[row])
        row = _NEXT[row] << 4 | byte & 15
        flags = _FLAGS[row]
        if flags & _FAILS:
            break
        if flags & _EMITS:
            symbols.append(_SYMBOLS[row])
        state = _NEXT[row]
    if flags & _FAILS or not flags & _COMPLETE:
        raise Http2Error(COMPRESSION_ERROR, "a bad Huffman code")
    return bytes(symbols)
