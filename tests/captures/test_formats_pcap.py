"""Classic pcap: every byte order, clock and record header gives the same frames, and damage costs only what it touches."""

import struct
from random import Random

import pytest

from tests.craft import (
    MICROSECONDS,
    MODIFIED,
    NANOSECONDS,
    Frame,
    filling,
    pcap,
    pcap_header,
    pcap_record,
    read,
    window_bytes,
)

FLAVOURS = [(magic, endian) for magic in (MICROSECONDS, NANOSECONDS, MODIFIED) for endian in "<>"]


@pytest.mark.parametrize(("magic", "endian"), FLAVOURS)
def test_every_flavour_gives_number_time_bytes_and_lengths_of_each_frame(magic: int, endian: str) -> None:
    ns = 123_456_789 if magic == NANOSECONDS else 123_456_000
    times = [0, 1_700_000_000 * 10**9 + ns, (2**32 - 1) * 10**9 + 999_999_000]
    frames = [b"one", b"", b"\xffthree"]
    data = pcap_header(magic, endian, link=101, snaplen=96)
    for ts_ns, frame in zip(times, frames, strict=True):
        data += pcap_record(frame, ts_ns, 1514, magic, endian)
    reader, got = read(data)
    assert got == [Frame(n + 1, times[n], frames[n], 1514, 0, 101) for n in range(3)]
    assert reader.frames == 3
    assert reader.format == ("pcap (nanoseconds)" if magic == NANOSECONDS else "pcap")
    assert (reader.notes, reader.cut, reader.compression) == ([], False, ())
    assert (reader.interfaces[0].link, reader.interfaces[0].snaplen) == (101, 96)


def test_the_length_of_a_frame_check_sequence_is_no_part_of_the_link_type() -> None:
    header = bytearray(pcap_header(link=1))
    header[20:24] = struct.pack("<I", 0x4400_0001 | 1 << 26)
    reader, _ = read(bytes(header) + pcap_record(b"x"))
    assert reader.interfaces[0].link == 1


def test_a_capture_without_frames_is_a_capture() -> None:
    reader, frames = read(pcap([]))
    assert frames == []
    assert (reader.frames, reader.notes, reader.cut) == (0, [], False)


@pytest.mark.parametrize(("magic", "endian"), FLAVOURS)
def test_a_cut_anywhere_leaves_exactly_the_frames_before_it(magic: int, endian: str) -> None:
    frames = [b"a" * 5, b"", b"b" * 33, b"c"]
    data = pcap_header(magic, endian)
    ends = [len(data)]
    for n, frame in enumerate(frames):
        data += pcap_record(frame, n * 1000, None, magic, endian)
        ends.append(len(data))
    _, whole = read(data)
    for length in range(4, len(data) + 1):
        reader, got = read(data[:length])
        assert got == whole[: sum(end <= length for end in ends[1:])], length
        assert reader.cut is (length not in ends), length
        assert bool(reader.notes) is reader.cut
        assert all("\n" not in note for note in reader.notes)


@pytest.mark.parametrize("claim", [262_145, 2**31, 2**32 - 1])
@pytest.mark.parametrize("endian", "<>")
def test_a_record_too_long_to_be_true_ends_the_capture_with_a_note(claim: int, endian: str) -> None:
    data = pcap([b"one", b"two"], endian=endian)
    broken = struct.pack(endian + "IIII", 1, 2, claim, claim) + bytes(500_000)
    reader, frames = read(data + broken)
    assert [frame.data for frame in frames] == [b"one", b"two"]
    assert reader.notes
    assert "frame 2" in reader.notes[0]
    assert str(claim) in reader.notes[0]


def test_the_longest_record_that_wireshark_takes_is_read() -> None:
    frames = [b"x" * 262_144, b"behind"]
    assert [frame.data for frame in read(pcap(frames))[1]] == frames


def test_records_may_lie_across_the_end_of_a_window_at_any_byte() -> None:
    """A record is moved byte by byte over the place where the first window of the file ends."""
    for shift in range(-40, 60):
        before = [b"f" * size for size in filling(window_bytes() - 24 - 30 + shift, 16)]
        behind = [b"the one across the border", b"the one behind"]
        assert [frame.data for frame in read(pcap(before + behind))[1]][len(before) :] == behind, shift


@pytest.mark.parametrize(("magic", "endian"), FLAVOURS)
def test_long_captures_of_all_record_sizes_come_back_whole(magic: int, endian: str) -> None:
    random = Random(magic)
    sizes = [random.choice([0, 60, 1514, 65_535, 262_144]) for _ in range(160)]
    frames = [random.randbytes(16) * (size // 16) for size in sizes]
    reader, got = read(pcap(frames, magic=magic, endian=endian))
    assert [frame.data for frame in got] == frames
    assert [frame.number for frame in got] == list(range(1, 161))
    assert [frame.ts_ns for frame in got] == [n * 1_000_000 for n in range(160)]
    assert not reader.cut


def test_a_long_capture_cut_in_a_late_window_keeps_all_before() -> None:
    data = pcap([bytes([n % 256]) * 100_000 for n in range(60)])
    reader, frames = read(data[:-1])
    assert [frame.data[:1] for frame in frames] == [bytes([n]) for n in range(59)]
    assert reader.cut
    assert "frame 60" in reader.notes[0]
