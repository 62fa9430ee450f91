"""Header blocks: whatever the library hpack encodes is decoded, and it decodes whatever is encoded here."""

from __future__ import annotations

import pytest
from hpack import Decoder, Encoder, HPACKError
from hypothesis import given
from hypothesis import strategies as st

from composectl.proxy.head import Fields
from composectl.proxy.http2.compression import FieldDecoder, FieldEncoder, literals
from composectl.proxy.http2.frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, Http2Error
from tests.support.examples import examples

NAMES = st.sampled_from([b":path", b":status", b"cookie", b"date", b"grpc-status", b"x-" + b"n" * 130])
VALUES = st.one_of(st.sampled_from([b"", b"/", b"200", b"0", b"v" * 600]), st.binary(max_size=300))
LISTS = st.lists(st.tuples(NAMES, VALUES), max_size=8)
SIZES = st.sampled_from([0, 40, 200, 4096, 65536])
UNCHANGED = 4096


@examples(50)
@given(st.lists(st.tuples(LISTS, st.booleans(), st.sampled_from([0, 100, UNCHANGED]))))
def test_what_hpack_encodes_is_decoded(lists: list[tuple[Fields, bool, int]]) -> None:
    encoder, decoder = Encoder(), FieldDecoder()
    for fields, huffman, size in lists:
        encoder.header_table_size = size
        assert decoder.decode(encoder.encode(fields, huffman=huffman)) == fields


@examples(50)
@given(st.lists(st.tuples(LISTS, SIZES)))
def test_what_is_encoded_hpack_decodes(lists: list[tuple[Fields, int]]) -> None:
    encoder, decoder = FieldEncoder(), Decoder()
    for fields, size in lists:
        encoder.set_max_table_size(size)
        decoder.max_allowed_table_size = 4096
        for _ in range(3):
            key = tuple(fields)
            block = encoder.remembered.get(key) or encoder.encode(fields, key)
            assert decoded(decoder, block + literals(fields)) == fields + fields


@examples(50)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_odd_blocks_are_decoded_as_by_hpack_or_refused_as_by_it(blocks: list[bytes]) -> None:
    ours, theirs = FieldDecoder(), Decoder()
    for block in blocks:
        try:
            expected = decoded(theirs, block)
        except (HPACKError, IndexError, ValueError):
            with pytest.raises(Http2Error):
                ours.decode(block)
            return
        assert ours.decode(block) == expected


def decoded(decoder: Decoder, block: bytes) -> Fields:
    return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",  # field 0
        b"\xbe",  # no such field
        b"\x40\x05abc",  # a string that is cut off
        b"\x00\x01a",  # no value
        b"\x82\x20",  # a size behind a field
        b"\x3f\xe2\x1f",  # a size above 4,096
        b"\xff\xff\xff\xff\xff\x01",  # a number that is too long
        b"\x00\x81\x00\x00",  # a Huffman code that is not ended with ones
    ],
)
def test_a_bad_block_is_refused(block: bytes) -> None:
    with pytest.raises(Http2Error) as refused:
        FieldDecoder().decode(block)
    assert refused.value.code == COMPRESSION_ERROR


def test_a_list_that_grows_by_its_decoding_is_refused() -> None:
    decoder = FieldDecoder()
    decoder.decode(Encoder().encode([(b"x-bomb", b"a" * 3000)], huffman=False))
    with pytest.raises(Http2Error) as refused:
        decoder.decode(b"\xbe" * 12)
    assert refused.value.code == ENHANCE_YOUR_CALM


def test_a_field_enters_the_table_when_it_comes_again() -> None:
    encoder = FieldEncoder()
    sizes = [len(encoder.encode([(b"x-name", b"value")])) for _ in range(3)]
    assert sizes == [14, 14, 1]


@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"])
def test_a_secret_never_enters_a_table(name: bytes) -> None:
    encoder = FieldEncoder()
    for _ in range(3):
        assert encoder.encode([(name, b"secret")])[0] == 0x10
    assert literals([(name, b"secret")])[0] == 0x10


def test_a_block_is_remembered_while_the_table_stays_as_it_is() -> None:
    decoder = FieldDecoder()
    for block in (b"\x82", b"\x00\x01a\x01b"):
        decoder.decode(block)
        decoder.remember(block, block)
    assert list(decoder.remembered) == [b"\x82", b"\x00\x01a\x01b"]
    decoder.decode(b"\x40\x01a\x01b")
    decoder.remember(b"\x40\x01a\x01b", b"")
    assert not decoder.remembered


def test_what_is_large_is_not_remembered() -> None:
    decoder, encoder = FieldDecoder(), FieldEncoder()
    fields = [(b"a", b"v" * 5000)]
    block = literals(fields)
    decoder.decode(block)
    decoder.remember(block, block)
    for _ in range(3):
        encoder.encode(fields, "key")
    assert not decoder.remembered
    assert not encoder.remembered
