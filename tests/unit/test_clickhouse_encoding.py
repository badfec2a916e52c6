"""Content-Encoding is undone, whatever way the bytes arrive, or refused."""

from __future__ import annotations

import gzip
import random
import sys
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.local.clickhouse.encoding import Decoder
from nova_feed.local.clickhouse.errors import ClickHouseError


def zstd(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression.zstd import compress
    else:
        from backports.zstd import compress
    return compress(data)


def lz4(data: bytes) -> bytes:
    frame = pytest.importorskip("lz4.frame")
    return bytes(frame.compress(data))


WAYS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress, "lz4": lz4, "zstd": zstd}


@pytest.mark.parametrize("encoding", WAYS)
@given(parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4), cut=st.integers(1, 50))
def test_any_number_of_members_in_any_pieces_decode(encoding: str, parts: list[bytes], cut: int) -> None:
    encoded = b"".join(WAYS[encoding](part) for part in parts)
    decoder = Decoder(encoding)
    decoded = b"".join(piece for i in range(0, len(encoded), cut) for piece in decoder.feed(encoded[i : i + cut]))
    assert decoded == b"".join(parts)
    assert decoder.whole


@pytest.mark.parametrize("encoding", WAYS)
def test_a_cut_stream_is_not_whole(encoding: str) -> None:
    decoder = Decoder(encoding)
    for _ in decoder.feed(WAYS[encoding](b"x" * 1000)[:-1]):
        pass
    assert not decoder.whole


@pytest.mark.parametrize("encoding", WAYS)
def test_a_damaged_stream_is_refused(encoding: str) -> None:
    with pytest.raises(ClickHouseError) as caught:
        list(Decoder(encoding).feed(random.Random(1).randbytes(1000)))
    assert caught.value.code == 271


@pytest.mark.parametrize("encoding", WAYS)
def test_a_bomb_comes_out_in_small_pieces(encoding: str) -> None:
    pieces = [len(piece) for piece in Decoder(encoding).feed(WAYS[encoding](bytes(50_000_000)))]
    assert (sum(pieces), max(pieces) <= 1 << 20) == (50_000_000, True)


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(ClickHouseError) as caught:
        Decoder("rot13")
    assert caught.value.code == 48
