"""Compressed captures give what the capture inside gives, and say when the compression was cut or damaged."""

import gzip
import lzma
import tracemalloc
import zlib
from base64 import b64encode
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import lz4.frame
import pytest

from captures.formats import NotACapture, open_capture
from tests.craft import COMPRESSIONS, pcap, pcap_record, pcapng, read, source, zstd

FRAMES = [Random(n).randbytes(n * 7 % 90) for n in range(60)]
CAPTURES = {"pcap": pcap(FRAMES), "pcapng": pcapng([(1, data, len(data)) for data in FRAMES])}

KINDS = pytest.mark.parametrize("kind", COMPRESSIONS)


@KINDS
@pytest.mark.parametrize("inside", CAPTURES)
def test_what_is_inside_is_read_and_the_compression_named(kind: str, inside: str) -> None:
    plain, expected = read(CAPTURES[inside])
    reader, frames = read(COMPRESSIONS[kind](CAPTURES[inside]))
    assert frames == expected
    assert reader.compression == (kind,)
    assert (reader.format, reader.notes, reader.cut, reader.frames) == (plain.format, [], False, 60)


@KINDS
def test_positions_count_in_the_decompressed_stream(kind: str) -> None:
    whole = CAPTURES["pcap"]
    for window in open_capture(source(COMPRESSIONS[kind](whole))):
        for at, start, size in zip(window.at, window.start, window.caplen, strict=True):
            assert whole[at : at + size] == window.buffer[start : start + size].tobytes()


@KINDS
@pytest.mark.parametrize("level", ["random", "text"])
def test_long_captures_come_back_whole_however_well_they_compress(kind: str, level: str) -> None:
    """Text in base 64 shrinks to three quarters: blocks that are compressed, and long."""
    random = Random(3)
    raw = [random.randbytes(1050) for _ in range(4000)]
    frames = raw if level == "random" else [b64encode(data) for data in raw]
    reader, got = read(COMPRESSIONS[kind](pcap(frames)))
    assert [frame.data for frame in got] == frames
    assert (reader.notes, reader.cut) == ([], False)


@KINDS
@pytest.mark.parametrize("size", [1, 7, 24, 40, 1000])
def test_several_members_one_behind_the_other_are_one_capture(kind: str, size: int) -> None:
    data, compress = CAPTURES["pcap"], COMPRESSIONS[kind]
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    reader, frames = read(b"".join(map(compress, parts)))
    assert [frame.data for frame in frames] == FRAMES
    assert (reader.notes, reader.cut) == ([], False)


@KINDS
def test_empty_members_hold_nothing_up(kind: str) -> None:
    compress = COMPRESSIONS[kind]
    reader, frames = read(compress(b"") * 3 + compress(CAPTURES["pcap"]) + compress(b"") * 2)
    assert [frame.data for frame in frames] == FRAMES
    assert not reader.cut


@KINDS
@pytest.mark.parametrize("size", [1, 2, 3, 17])
def test_a_source_that_gives_few_bytes_at_a_time_changes_nothing(kind: str, size: int) -> None:
    data = COMPRESSIONS[kind](CAPTURES["pcap"][:1000]) + COMPRESSIONS[kind](CAPTURES["pcap"][1000:])
    reader, frames = read(data, lambda: size)
    assert [frame.data for frame in frames] == FRAMES
    assert (reader.notes, reader.cut) == ([], False)


@KINDS
@pytest.mark.parametrize("other", COMPRESSIONS)
def test_compressions_may_be_nested(kind: str, other: str) -> None:
    reader, frames = read(COMPRESSIONS[other](COMPRESSIONS[kind](CAPTURES["pcapng"])))
    assert [frame.data for frame in frames] == FRAMES
    assert reader.compression == (other, kind)


def test_three_compressions_are_read_and_a_fourth_is_not() -> None:
    data = lzma.compress(zstd.compress(gzip.compress(CAPTURES["pcap"])))
    assert read(data)[0].compression == ("xz", "zstd", "gzip")
    with pytest.raises(NotACapture, match="more than three times"):
        read(lz4.frame.compress(data))


@pytest.mark.parametrize("kind", ["gzip", "xz"])
def test_padding_between_and_behind_members_is_ignored(kind: str) -> None:
    """Zero bytes, as tapes leave them behind gzip and as the xz format allows them in fours."""
    data, compress = CAPTURES["pcap"], COMPRESSIONS[kind]
    reader, frames = read(compress(data[:1000]) + bytes(8) + compress(data[1000:]) + bytes(512))
    assert [frame.data for frame in frames] == FRAMES
    assert (reader.notes, reader.cut) == ([], False)


@KINDS
def test_a_later_member_that_cannot_be_read_is_told(kind: str) -> None:
    """Even where the members meet between two records, so that the capture inside seems to end there."""
    first, second = pcap(FRAMES[:20]), pcap(FRAMES[20:])[24:]
    damaged = bytearray(COMPRESSIONS[kind](second))
    damaged[:4] = b"what"
    reader, frames = read(COMPRESSIONS[kind](first) + damaged)
    assert [frame.data for frame in frames] == FRAMES[:20]
    assert reader.notes


FLUSHED: dict[str, Callable[[list[bytes]], bytes]] = {
    "gzip": lambda parts: _flushed(zlib.compressobj(wbits=31), parts, zlib.Z_SYNC_FLUSH),
    "zstd": lambda parts: _flushed(zstd.ZstdCompressor(), parts, zstd.ZstdCompressor.FLUSH_BLOCK),
}


def _flushed(compressor: Any, parts: list[bytes], how: int) -> bytes:
    return b"".join(compressor.compress(part) + compressor.flush(how) for part in parts) + compressor.flush()


@pytest.mark.parametrize("kind", [*COMPRESSIONS, *(f"flushed {kind}" for kind in FLUSHED)])
def test_a_cut_in_the_compressed_file_is_always_told(kind: str) -> None:
    """Also where what could be decompressed ends between two records, and where only the check at the end is missing."""
    head, records = CAPTURES["pcap"][:24], CAPTURES["pcap"][24:]
    if kind in COMPRESSIONS:
        data = COMPRESSIONS[kind](head + records)
    else:
        ends = [0]
        for frame in FRAMES:
            ends.append(ends[-1] + 16 + len(frame))
        data = FLUSHED[kind.split()[1]]([head, *(records[a:b] for a, b in pairwise(ends))])
    readable = 0
    for length in range(len(data)):
        try:
            reader, frames = read(data[:length])
        except NotACapture:
            continue
        readable += 1
        assert [frame.data for frame in frames] == FRAMES[: len(frames)]
        assert reader.cut, length
        assert reader.notes, length
    assert readable or kind in ("zstd", "lz4")


CHECKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zstd": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
    "xz": lambda data: lzma.compress(data, preset=0),
    "lz4": lambda data: lz4.frame.compress(data, block_checksum=True, content_checksum=True),
}


@pytest.mark.parametrize("kind", CHECKED)
@pytest.mark.parametrize("place", [0.6, 0.75, 0.9, 1.0])
def test_damage_in_the_compressed_file_is_told_and_costs_no_frame_long_before_it(kind: str, place: float) -> None:
    random = Random(5)
    frames = [b64encode(random.randbytes(1050)) for _ in range(2000)]
    data = bytearray(CHECKED[kind](pcap(frames)))
    data[int((len(data) - 5) * place)] ^= 0x55
    reader, got = read(bytes(data))
    assert [frame.data for frame in got[:1000]] == frames[:1000]
    assert reader.notes


@KINDS
def test_something_else_behind_the_compressed_stream_costs_nothing(kind: str) -> None:
    _, frames = read(COMPRESSIONS[kind](CAPTURES["pcap"]) + b"not compressed at all")
    assert [frame.data for frame in frames] == FRAMES


@KINDS
def test_a_stream_that_holds_nothing_or_no_capture_says_so_in_one_line(kind: str) -> None:
    for inside in (b"", b"hello world, this is text"):
        with pytest.raises(NotACapture) as told:
            read(COMPRESSIONS[kind](inside))
        assert "\n" not in str(told.value)
    with pytest.raises(NotACapture, match=kind):
        read(COMPRESSIONS[kind](b""))


@KINDS
def test_a_stream_that_swells_ten_thousandfold_is_read_in_bounded_memory(kind: str) -> None:
    """300 MB of zeros inside, in records of the greatest length."""
    record = pcap_record(bytes(262_144))
    data = _flood(kind, pcap([]), record, 1150)
    tracemalloc.start()
    count = sum(len(window) for window in open_capture(source(data)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 1150
    assert peak < 96 << 20


def _flood(kind: str, head: bytes, piece: bytes, times: int) -> bytes:
    made = {
        "gzip": lambda: zlib.compressobj(wbits=31),
        "zstd": lambda: zstd.ZstdCompressor(level=1),
        "xz": lambda: lzma.LZMACompressor(preset=0),
        "lz4": lambda: lz4.frame.LZ4FrameCompressor(),
    }[kind]()
    start = made.begin() if kind == "lz4" else b""
    return start + b"".join(made.compress(part) for part in [head, *[piece] * times]) + made.flush()
