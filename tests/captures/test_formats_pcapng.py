"""pcapng: sections, interfaces, clocks and blocks as the draft has them, frames numbered as Wireshark counts."""

import struct
from random import Random

import pytest

from tests.craft import (
    Frame,
    block,
    custom,
    enhanced,
    filling,
    interface,
    journal,
    name_records,
    obsolete,
    option,
    padded,
    read,
    section,
    simple,
    statistics,
    window_bytes,
)

ENDIANS = pytest.mark.parametrize("endian", "<>")
FRAME = enhanced(b"one", 1)


def clock(resolution: int, offset: int | None = None, endian: str = "<") -> bytes:
    """Interface options if_tsresol and if_tsoffset."""
    out = option(9, bytes([resolution]), endian)
    return out + (b"" if offset is None else option(14, struct.pack(endian + "q", offset), endian))


# ------------------------------------------------------------------------------------------------ packet blocks


@ENDIANS
def test_enhanced_obsolete_and_simple_packets_come_in_file_order(endian: str) -> None:
    data = section(endian) + interface(101, 64, endian=endian) + interface(1, endian=endian)
    data += enhanced(b"first", 1_000_007, 1, 1514, option(1, b"a comment", endian), endian)
    data += obsolete(b"second", 1_000_008, 0, 99, endian=endian)
    data += simple(b"third!", endian=endian)
    data += enhanced(b"", 2**33, 0, 60, endian=endian)
    reader, frames = read(data)
    assert frames == [
        Frame(1, 1_000_007_000, b"first", 1514, 1, 1),
        Frame(2, 1_000_008_000, b"second", 99, 0, 101),
        Frame(3, 1_000_008_000, b"third!", 6, 0, 101),  # bears no time: that of the frame before
        Frame(4, 2**33 * 1000, b"", 60, 0, 101),
    ]
    assert (reader.format, reader.frames, reader.notes, reader.cut) == ("pcapng", 4, [], False)


@ENDIANS
def test_a_simple_packet_holds_what_the_snap_length_of_the_first_interface_left(endian: str) -> None:
    data = section(endian) + interface(1, 5, endian=endian) + interface(1, 99, endian=endian)
    reader, frames = read(data + simple(b"12345", 1514, endian) + simple(b"123", 3, endian))
    assert [(frame.data, frame.wire_length) for frame in frames] == [(b"12345", 1514), (b"123", 3)]
    assert reader.notes == []


def test_simple_packets_before_any_time_stand_at_zero() -> None:
    _, frames = read(section() + interface() + simple(b"a") + enhanced(b"b", 5) + simple(b"c"))
    assert [frame.ts_ns for frame in frames] == [0, 5000, 5000]


def test_a_simple_packet_takes_the_time_before_it_from_an_earlier_window_too() -> None:
    data = section() + interface() + enhanced(b"a", 7)
    data += block(0x777, bytes(window_bytes())) + simple(b"b")
    assert [frame.ts_ns for frame in read(data)[1]] == [7000, 7000]


def test_the_drop_count_of_an_obsolete_packet_is_no_part_of_its_interface() -> None:
    for endian in "<>":
        data = section(endian) + interface(endian=endian) * 3 + obsolete(b"x", 0, 2, drops=0xFFFF, endian=endian)
        assert [frame.interface for frame in read(data)[1]] == [2]


# ------------------------------------------------------------------------------------------------ sections


@ENDIANS
def test_a_section_has_its_own_interfaces_clocks_and_byte_order(endian: str) -> None:
    other = "<" if endian == ">" else ">"
    data = section(endian) + interface(101, options=clock(9, endian=endian), endian=endian)
    data += enhanced(b"a", 1, endian=endian)
    data += section(other) + interface(1, options=clock(3, endian=other), endian=other)
    data += interface(113, options=clock(0, endian=other), endian=other)
    data += enhanced(b"b", 2, endian=other) + enhanced(b"c", 3, 1, endian=other) + simple(b"d", endian=other)
    data += section(endian) + interface(12, endian=endian) + enhanced(b"e", 4, endian=endian)
    reader, frames = read(data)
    assert frames == [
        Frame(1, 1, b"a", 1, 0, 101),
        Frame(2, 2_000_000, b"b", 1, 1, 1),
        Frame(3, 3_000_000_000, b"c", 1, 2, 113),
        Frame(4, 3_000_000_000, b"d", 1, 1, 1),
        Frame(5, 4000, b"e", 1, 3, 12),
    ]
    assert [entry.link for entry in reader.interfaces] == [101, 1, 113, 12]


def test_sections_without_packets_change_nothing() -> None:
    data = (
        section() + section(">") + interface(endian=">") + section() + interface(101) + FRAME + section(">") + section()
    )
    reader, frames = read(data)
    assert frames == [Frame(1, 1000, b"one", 3, 1, 101)]
    assert (reader.notes, reader.cut) == ([], False)


def test_many_short_sections_are_read_in_full() -> None:
    one = section() + interface(101) + enhanced(b"x", 1)
    other = section(">") + interface(1, endian=">") + enhanced(b"y", 2, endian=">")
    _, frames = read((one + other) * 1500)
    assert len(frames) == 3000
    assert {(frame.data, frame.ts_ns, frame.link) for frame in frames} == {(b"x", 1000, 101), (b"y", 2000, 1)}
    assert [frame.interface for frame in frames] == list(range(3000))


# ------------------------------------------------------------------------------------------------ clocks


@pytest.mark.parametrize("base", [2, 10])
def test_time_is_exact_whatever_the_unit_of_the_clock(base: int) -> None:
    """Nanoseconds rounded down, for every if_tsresol that the format can express."""
    random = Random(base)
    wrong = []
    for power in range(128):
        units = base**power
        ticks = [-(-moment * units // 10**9) for moment in (0, 1, 999_999_999, 1_700_000_000_123_456_789, 2**62)]
        ticks += [random.getrandbits(64) for _ in range(20)] + [
            random.getrandbits(random.randint(1, 64)) for _ in range(20)
        ]
        ticks = [tick for tick in ticks if tick < 2**64 and tick * 10**9 // units < 2**63]
        resolution = clock(power | (0x80 if base == 2 else 0))
        _, frames = read(section() + interface(options=resolution) + b"".join(enhanced(b"", tick) for tick in ticks))
        if [frame.ts_ns for frame in frames] != [tick * 10**9 // units for tick in ticks]:
            wrong.append(power)
    assert wrong == []


@ENDIANS
@pytest.mark.parametrize("offset", [0, 1, -1, 1_700_000_000, -(2**31), 2**32])
def test_the_clock_offset_is_added_in_seconds(offset: int, endian: str) -> None:
    data = section(endian) + interface(options=clock(9, offset, endian), endian=endian)
    data += enhanced(b"", 5 * 10**9 + 17, endian=endian)
    assert [frame.ts_ns for frame in read(data)[1]] == [(5 + offset) * 10**9 + 17]


def test_a_moment_just_before_the_epoch_is_a_time_like_any_other() -> None:
    data = (
        section()
        + interface(options=clock(9, -1))
        + enhanced(b"a", 10**9 - 2)
        + enhanced(b"b", 10**9 - 1)
        + simple(b"c")
    )
    assert [frame.ts_ns for frame in read(data)[1]] == [-2, -1, -1]


def test_interfaces_of_different_clocks_may_alternate() -> None:
    data = section() + interface(options=clock(9)) + interface(options=clock(0x8A)) + interface()
    data += b"".join(enhanced(b"", 1024 * n, n % 3) for n in range(30))
    expected = [1024 * n * (1, 10**9 / 1024, 1000)[n % 3] for n in range(30)]
    assert [frame.ts_ns for frame in read(data)[1]] == expected


@pytest.mark.parametrize("offset", [2**63 - 1, -(2**63), 2**40])
def test_a_clock_offset_out_of_all_range_is_no_error(offset: int) -> None:
    _, frames = read(section() + interface(options=clock(6, offset)) + FRAME + enhanced(b"two", 2**64 - 1))
    assert [frame.data for frame in frames] == [b"one", b"two"]


# ------------------------------------------------------------------------------------------------ what is not a packet


@pytest.mark.parametrize(
    ("extra", "counted"),
    [
        (custom(b"not to be copied", 0x40000BAD), 1),
        (custom(b"to be copied"), 1),
        (journal(), 1),
        (block(0x777, b"unknown"), 0),
        (block(0x8000_0001, b"local use"), 0),
        (block(0xA, b"decryption secrets"), 0),
        (name_records([]), 0),
        (statistics(0), 0),
        (interface(), 0),
    ],
)
def test_numbers_go_on_as_wireshark_counts(extra: bytes, counted: int) -> None:
    """Seen with tshark 4.0.17: custom and journal blocks are frames there, all other blocks are not."""
    reader, frames = read(section() + interface() + extra + FRAME + extra + extra + FRAME + extra)
    assert [frame.number for frame in frames] == [1 + counted, 2 + 3 * counted]
    assert (reader.frames, reader.notes, reader.cut) == (2, [], False)


@pytest.mark.parametrize("endian", "<>")
def test_names_comments_drops_and_interface_names_are_told(endian: str) -> None:
    options = (
        option(1, "sniffed at the café".encode(), endian) + option(4, b"dumpcap", endian) + option(1, b"twice", endian)
    )
    six = bytes.fromhex("20010db8000000000000000000000001")
    data = section(endian, options + option(0, b"", endian) + option(1, b"behind the end", endian))
    data += interface(1, 262_144, option(2, b"eth0", endian) + option(3, b"uplink", endian), endian)
    data += interface(101, 0, option(2, b"tun0", endian), endian)
    data += name_records([(b"\xc0\0\2\1", b"server.example\0alias\0"), (six, b"six.example\0")], endian)
    data += (
        enhanced(b"x", endian=endian) + statistics(5, 1, endian) + statistics(3, 0, endian) + statistics(9, 1, endian)
    )
    reader, _ = read(data)
    assert reader.comments == ["sniffed at the café", "twice"]
    assert [entry.name for entry in reader.interfaces] == ["eth0", "tun0"]
    assert [entry.dropped for entry in reader.interfaces] == [3, 9]
    assert reader.names == {"192.0.2.1": "server.example", "2001:db8::1": "six.example"}


def test_a_capturer_that_does_not_say_what_it_dropped_is_not_taken_for_one_that_dropped_nothing() -> None:
    reader, _ = read(section() + interface() + FRAME + block(5, struct.pack("<III", 0, 0, 0)))
    assert reader.interfaces[0].dropped is None
    reader, _ = read(section() + interface() + FRAME + statistics(0))
    assert reader.interfaces[0].dropped == 0


def test_statistics_of_a_second_section_belong_to_its_own_interface() -> None:
    reader, _ = read(
        section() + interface() + statistics(1) + section() + interface() + statistics(2) + statistics(7, 5)
    )
    assert [entry.dropped for entry in reader.interfaces] == [1, 2]


def test_text_that_is_not_utf8_and_options_that_run_over_are_no_error() -> None:
    broken = option(1, b"\xff\xfe broken") + struct.pack("<HH", 1, 60_000)
    reader, frames = read(section(options=broken) + interface(options=option(2, b"\x80")) + FRAME)
    assert [comment.endswith(" broken") for comment in reader.comments] == [True]
    assert len(frames) == 1


def test_a_name_record_that_runs_over_its_block_ends_the_names() -> None:
    good = option(1, b"\xc0\0\2\1one\0")
    for bad in (struct.pack("<HH", 1, 9000) + b"\xc0\0\2\2two\0", struct.pack("<HH", 1, 6) + b"\xc0\0"):
        reader, frames = read(section() + interface() + block(4, good + bad) + FRAME)
        assert reader.names == {"192.0.2.1": "one"}
        assert len(frames) == 1
    reader, _ = read(section() + interface() + block(4, good + bytes(4) + option(1, b"\xc0\0\2\2two\0")) + FRAME)
    assert reader.names == {"192.0.2.1": "one"}


@pytest.mark.parametrize("windows", [0.02, 0.1, 0.25, 0.5, 0.999, 1, 1.001, 1.5, 2, 4.5])
def test_a_block_of_any_size_is_walked_past(windows: float) -> None:
    """Also one longer than what is read at a time, with packets before and behind it, also in another section."""
    size = int(window_bytes() * windows)
    data = section() + interface() + FRAME * 3 + block(0x777, bytes(size)) + enhanced(b"two", 2) * 2
    data += section(">") + interface(101, endian=">") + enhanced(b"three", 3, endian=">")
    reader, frames = read(data)
    assert [(frame.number, frame.data, frame.ts_ns, frame.link) for frame in frames] == [
        (1, b"one", 1000, 1), (2, b"one", 1000, 1), (3, b"one", 1000, 1), (4, b"two", 2000, 1), (5, b"two", 2000, 1),
        (6, b"three", 3000, 101),
    ]  # fmt: skip
    assert (reader.notes, reader.cut) == ([], False)


def test_large_blocks_one_behind_the_other_are_walked_past() -> None:
    size = window_bytes() * 3 // 2
    huge = block(0x777, bytes(size))
    reader, frames = read(section() + interface() + huge + huge + FRAME + custom(bytes(size)) + huge + FRAME + huge)
    assert [(frame.number, frame.data) for frame in frames] == [(1, b"one"), (3, b"one")]
    assert (reader.notes, reader.cut) == ([], False)


def test_a_capture_cut_inside_a_large_block_keeps_the_packets_before_it() -> None:
    reader, frames = read((section() + interface() + FRAME + block(0x777, bytes(window_bytes() * 3 // 2)))[:-5])
    assert [frame.data for frame in frames] == [b"one"]
    assert reader.cut
    assert len(reader.notes) == 1


def test_a_large_block_that_was_cut_is_no_frame() -> None:
    for size in (1000, window_bytes() * 3 // 2):
        reader, frames = read((section() + interface() + FRAME + custom(bytes(size)))[:-5])
        assert len(frames) == 1
        assert "after frame 1" in reader.notes[0]


# ------------------------------------------------------------------------------------------------ long captures


def test_packets_may_lie_across_the_end_of_a_window_at_any_byte() -> None:
    head = section() + interface()
    for shift in range(-48, 64, 4):
        sizes = filling(window_bytes() // 4 * 4 - len(head) - 40 + shift, 32)
        before = b"".join(enhanced(bytes(size)) for size in sizes)
        _, frames = read(head + before + enhanced(b"across", 1) + simple(b"behind") + enhanced(b"last", 2))
        assert [frame.data for frame in frames[len(sizes) :]] == [b"across", b"behind", b"last"], shift


@ENDIANS
def test_long_captures_of_all_blocks_and_sizes_come_back_whole(endian: str) -> None:
    random = Random(7)
    data, expected, number = section(endian) + interface(endian=endian) + interface(101, endian=endian), [], 0
    for n in range(200):
        kind = random.choice(["enhanced", "enhanced", "simple", "obsolete", "custom", "unknown"])
        size = random.choice([0, 1, 60, 1514, 65_535, 262_144])
        number += kind != "unknown"
        if kind == "unknown":
            data += block(0x1234, bytes(size), endian)
        elif kind == "custom":
            data += custom(bytes(size), endian=endian)
        else:
            frame, index = random.randbytes(7) * (size // 7), n % 2
            if kind == "simple":
                data, index = data + simple(frame, endian=endian), 0
            else:
                data += {"enhanced": enhanced, "obsolete": obsolete}[kind](frame, n, index, endian=endian)
            expected.append((number, frame, index, 101 if index else 1))
    reader, frames = read(data)
    assert [(frame.number, frame.data, frame.interface, frame.link) for frame in frames] == expected
    assert (reader.frames, reader.notes, reader.cut) == (len(expected), [], False)


def test_the_longest_packet_that_wireshark_takes_is_read() -> None:
    data = bytes(range(256)) * 1024
    assert len(data) == 262_144
    reader, frames = read(section() + interface() + enhanced(data) + simple(data) + obsolete(data) + FRAME)
    assert [frame.data for frame in frames] == [data, data, data, b"one"]
    assert reader.notes == []


# ------------------------------------------------------------------------------------------------ cut


@ENDIANS
def test_a_cut_anywhere_leaves_exactly_the_frames_before_it(endian: str) -> None:
    other = "<" if endian == ">" else ">"
    blocks = [
        section(endian, option(1, b"comment", endian)), interface(options=clock(9, 5, endian), endian=endian),
        enhanced(b"one", 1, endian=endian), simple(b"two", endian=endian), custom(endian=endian),
        obsolete(b"three", 9, endian=endian), statistics(1, endian=endian), name_records([(b"\1\2\3\4", b"n\0")], endian),
        enhanced(b"four", 10**10, endian=endian), journal(endian), section(other), interface(101, endian=other),
        enhanced(b"five", 11, endian=other), block(0x777, b"behind", other),
    ]  # fmt: skip
    data, ends, frames_before = b"", [], [0]
    for part in blocks:
        data += part
        ends.append(len(data))
        frames_before.append(len(read(data)[1]))
    _, whole = read(data)
    assert len(whole) == 5
    for length in range(4, len(data) + 1):
        reader, frames = read(data[:length])
        assert frames == whole[: frames_before[sum(end <= length for end in ends)]], length
        assert reader.cut is (length not in ends), length
        assert bool(reader.notes) is reader.cut
        assert all("\n" not in note for note in reader.notes)


# ------------------------------------------------------------------------------------------------ damage


def _with_trailer(data: bytes, length: int) -> bytes:
    return data[:-4] + struct.pack("<I", length)


def _claiming(kind: int, length: int) -> bytes:
    return struct.pack("<II", kind, length) + bytes(5_000_000)


DAMAGE = {
    "an enhanced packet with a wrong trailing length": _with_trailer(enhanced(b"bad"), 32),
    "a simple packet with a wrong trailing length": _with_trailer(simple(b"bad"), 32),
    "an enhanced packet that captured more than its block": block(6, struct.pack("<IIIII", 0, 0, 1, 400, 400) + bytes(64)),
    "an enhanced packet that captured one byte more than its block": block(6, struct.pack("<IIIII", 0, 0, 1, 5, 5) + bytes(4)),
    "an obsolete packet that captured more than its block": block(2, struct.pack("<HHIIII", 0, 0, 0, 1, 400, 400) + bytes(64)),
    "an enhanced packet too short for its header": block(6, bytes(16)),
    "an obsolete packet too short for its header": block(2, bytes(16)),
    "a simple packet too short for its header": block(3, b""),
    "an enhanced packet of an undescribed interface": enhanced(b"bad", 0, 1),
    "an obsolete packet of an undescribed interface": obsolete(b"bad", 0, 0xFFFF),
    "an enhanced packet of a section without interfaces": section() + enhanced(b"bad"),
    "a simple packet of a section without interfaces": section() + simple(b"bad"),
    "an enhanced packet longer than Wireshark takes": enhanced(bytes(262_145)),
    "an enhanced packet of a megabyte and a half": enhanced(bytes(1_500_000)),
    "a simple packet longer than Wireshark takes": simple(bytes(262_145)),
    "an enhanced packet that claims two gigabytes": _claiming(6, 2**31),
    "a simple packet that claims four gigabytes": _claiming(3, 2**32 - 4),
    "a block that claims no length": _claiming(0x777, 0),
    "a block shorter than its own lengths": _claiming(0x777, 8),
    "a block of a length that is no multiple of four": _claiming(0x777, 4001),
    "an enhanced packet of a length that is no multiple of four": struct.pack("<IIIIIII", 6, 33, 0, 0, 1, 1, 1)
    + b"x" + struct.pack("<I", 33),
    "a section header without its magic": block(0x0A0D0D0A, bytes(16)),
    "a section header shorter than it can be": struct.pack("<III", 0x0A0D0D0A, 12, 0x1A2B3C4D),
    "a section header of a gigabyte": struct.pack("<III", 0x0A0D0D0A, 2**30, 0x1A2B3C4D) + bytes(5_000_000),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_ends_the_capture_with_a_note_and_keeps_all_frames_before(name: str) -> None:
    reader, frames = read(section() + interface() + FRAME * 3 + DAMAGE[name] + FRAME * 5)
    assert [frame.data for frame in frames] == [b"one"] * 3
    assert len(reader.notes) == 1
    assert "after frame 3" in reader.notes[0]
    assert "\n" not in reader.notes[0]
    assert reader.frames == 3
    assert not reader.cut


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_wherever_in_the_file_it_stands(name: str) -> None:
    """The same damage a few windows later, where it may lie across the end of one."""
    count = window_bytes() // 250_032
    for gap in range(0, 250_000, 83_000):
        data = (
            section() + interface() + enhanced(bytes(250_000)) * count + enhanced(bytes(gap)) + DAMAGE[name] + FRAME * 5
        )
        reader, frames = read(data)
        assert len(frames) == count + 1
        assert len(reader.notes) == 1
        assert f"after frame {count + 1}" in reader.notes[0]


def test_a_block_that_claims_more_than_the_file_holds_is_a_cut() -> None:
    reader, frames = read(section() + interface() + FRAME + struct.pack("<II", 0x777, 2**31) + bytes(9_000_000))
    assert [frame.data for frame in frames] == [b"one"]
    assert reader.cut
    assert len(reader.notes) == 1


def test_a_capture_that_begins_with_damage_has_no_frames_and_a_note() -> None:
    reader, frames = read(block(0x0A0D0D0A, bytes(16)) + FRAME)
    assert frames == []
    assert len(reader.notes) == 1


def test_padding_bytes_need_not_be_zero() -> None:
    body = struct.pack("<IIIII", 0, 0, 1, 3, 3) + b"one\xff"
    assert padded(body) == body
    reader, frames = read(section() + interface() + block(6, body))
    assert [frame.data for frame in frames] == [b"one"]
    assert reader.notes == []


# ------------------------------------------------------------------------------------- until when was listened


def listened(delivered: int | None, endian: str) -> int | None:
    data = section(endian) + interface(1, endian=endian) + enhanced(b"one", 1, endian=endian) * 2
    return read(data + statistics(0, 0, endian, delivered, ticks=(1 << 33) + 7))[0].listened_ns


@ENDIANS
def test_statistics_that_count_the_frames_of_the_file_tell_until_when_was_listened(endian: str) -> None:
    assert listened(2, endian) == ((1 << 33) + 7) * 1000
    assert listened(3, endian) is None  # frames were taken out
    assert listened(1, endian) is None  # or added
    assert listened(None, endian) is None


def test_every_interface_must_have_counted() -> None:
    data = section() + interface(1) * 2 + FRAME + statistics(0, 0, delivered=1, ticks=5)
    assert read(data)[0].listened_ns is None
    data += statistics(0, 1, delivered=0, ticks=6)
    assert read(data)[0].listened_ns == 6_000
