"""`open_capture`: a capture or one clear line; and no bytes, whatever they are, that make a reader raise or run away."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captures.formats import NotACapture, open_capture
from tests.craft import (
    COMPRESSIONS,
    MODIFIED,
    NANOSECONDS,
    block,
    custom,
    enhanced,
    frames_of,
    interface,
    journal,
    law,
    name_records,
    obsolete,
    option,
    pcap,
    pcap_header,
    pcap_record,
    read,
    section,
    simple,
    source,
    statistics,
)

VALID: dict[str, bytes] = {
    "pcap": pcap([b"one", b"", b"three" * 20]),
    "pcap, big-endian": pcap([b"one", b"two"], endian=">"),
    "pcap, nanoseconds": pcap([b"one", b"two"], magic=NANOSECONDS),
    "pcap, modified": pcap([b"one", b"two"], magic=MODIFIED),
    "pcapng": section(options=option(1, b"comment")) + interface(options=option(9, b"\x09") + option(14, bytes(8)))
    + interface(101) + enhanced(b"one", 5, 1, options=option(1, b"remark")) + simple(b"two") + obsolete(b"three", 7, 1)
    + custom() + journal() + name_records([(b"\x7f\0\0\1", b"localhost\0")]) + statistics(3) + block(0x777, b"xyz")
    + section(">") + interface(113, endian=">") + enhanced(b"four", 6, endian=">"),
}  # fmt: skip
COMPRESSED = {
    f"{kind} of {name}": make(VALID[name]) for kind, make in COMPRESSIONS.items() for name in ("pcap", "pcapng")
}
ALL = {**VALID, **COMPRESSED}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_a_source_that_gives_few_bytes_at_a_time_changes_nothing(name: str, size: int) -> None:
    reader, frames = read(ALL[name])
    slow, slowly = read(ALL[name], lambda: size)
    assert slowly == frames
    assert frames
    for told in ("format", "interfaces", "notes", "names", "comments", "compression", "frames", "cut"):
        assert getattr(slow, told) == getattr(reader, told)


@law(60)
@given(st.sampled_from(sorted(ALL)), st.integers(0, 2**32))
def test_neither_does_a_source_that_gives_an_uneven_number(name: str, seed: int) -> None:
    random = Random(seed)
    assert read(ALL[name], lambda: random.randint(1, 70))[1] == read(ALL[name])[1]


# ------------------------------------------------------------------------------------------------ not a capture


NO_CAPTURE = {
    "nothing": (b"", "empty"),
    "one byte": (b"\xa1", "not a pcap"),
    "three bytes of a magic": (b"\xd4\xc3\xb2", "not a pcap"),
    "zeros": (bytes(5000), "not a pcap"),
    "text": (b"17:03:01.000 IP 192.0.2.1.22 > 192.0.2.2.50000: Flags [S.]\n" * 50, "not a pcap"),
    "an ELF program": (b"\x7fELF" + bytes(60), "not a pcap"),
    "a snoop capture": (b"snoop\0\0\0" + bytes(60), "snoop"),
    "a zip archive": (b"PK\x03\x04" + bytes(60), "zip"),
    "bzip2": (b"BZh91AY&SY" + bytes(60), "bzip2"),
    "a Network Monitor capture": (b"GMBU" + bytes(60), "Network Monitor"),
    "pcapng cut in its first word": (b"\n\r\r", "not a pcap"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_CAPTURE)
def test_what_is_no_capture_is_refused_in_one_line(name: str) -> None:
    data, words = NO_CAPTURE[name]
    with pytest.raises(NotACapture) as told:
        read(data)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_the_refusal_is_a_value_error_for_callers_that_know_no_other() -> None:
    assert issubclass(NotACapture, ValueError)


# ------------------------------------------------------------------------------------------------ any bytes


def _check(data: bytes, plain: bool) -> None:
    """Read it all and hold every promise that the windows make; only `NotACapture` may come out."""
    asked = []

    def read_into(target: memoryview) -> int:
        asked.append(len(target))
        return stream(target)

    stream = source(data)
    try:
        reader = open_capture(read_into)
    except NotACapture:
        return
    last = count = 0
    for window in reader:
        assert len(window) > 0
        assert (np.diff(window.number) > 0).all()
        assert int(window.number[0]) > last
        last = int(window.number[-1])
        assert (window.start >= 0).all()
        assert (window.caplen >= 0).all()
        assert (window.start + window.caplen <= len(window.buffer)).all()
        assert (window.interface >= 0).all()
        assert (window.interface < len(reader.interfaces)).all()
        assert [reader.interfaces[i].link for i in window.interface] == window.link.tolist()
        for frame, at in zip(frames_of(window), window.at.tolist(), strict=True):
            assert not plain or data[at : at + len(frame.data)] == frame.data
        count += len(window)
    assert count == reader.frames
    assert not plain or count <= len(data) // 16
    assert len(asked) <= 10
    assert all(note and "\n" not in note for note in reader.notes)
    assert reader.notes or not reader.cut


@law(150)
@given(st.binary(max_size=400))
def test_random_bytes_are_refused_or_read(data: bytes) -> None:
    _check(data, False)


@law(300)
@given(st.sampled_from(sorted(VALID)), st.binary(max_size=300))
def test_random_bytes_behind_a_valid_magic_are_read(name: str, data: bytes) -> None:
    for keep in (4, 8, 12, 24, 28):
        _check(VALID[name][:keep] + data, True)


@law(300)
@given(st.binary(max_size=120), st.integers(1, 12), st.integers(0, 5), st.sampled_from("<>"))
def test_random_bytes_inside_blocks_and_records_are_read(data: bytes, kind: int, cut: int, endian: str) -> None:
    start = section(endian) + interface(endian=endian)
    _check(
        (start + block(kind, data, endian) + block(0xBAD, data, endian) + enhanced(data, endian=endian))[
            : -cut or None
        ],
        True,
    )
    _check(pcap_header(endian=endian) + pcap_record(data, endian=endian) + data, True)


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 2**16), st.sampled_from(["set", "flip", "drop", "add", "word"]), st.integers(0, 255)),
    min_size=1,
    max_size=4,
)


@law(600)
@given(st.sampled_from(sorted(ALL)), MUTATIONS)
def test_no_mutation_of_a_valid_file_makes_a_reader_raise(name: str, mutations: list[tuple[int, str, int]]) -> None:
    data = bytearray(ALL[name])
    for place, how, value in mutations:
        at = place % max(1, len(data))
        if how == "set":
            data[at : at + 1] = bytes([value])
        elif how == "flip":
            data[at : at + 1] = bytes([data[at] ^ 1 << value % 8])
        elif how == "drop":
            del data[at : at + 1 + value % 8]
        elif how == "add":
            data[at:at] = bytes([value]) * (1 + value % 8)
        else:  # one of the numbers that break length arithmetic
            word = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 4, 262_144, 262_145, 2**20, 2**24)[value % 10]
            at -= at % 4
            data[at : at + 4] = word.to_bytes(4, "little" if value % 2 else "big")
    _check(bytes(data), name in VALID)


@pytest.mark.parametrize("name", ALL)
def test_no_change_of_one_byte_makes_a_reader_raise(name: str) -> None:
    whole = ALL[name]
    for at in range(len(whole)):
        for value in (0, 0xFF, whole[at] ^ 0x80, whole[at] ^ 1):
            _check(whole[:at] + bytes([value]) + whole[at + 1 :], name in VALID)


@pytest.mark.parametrize("name", ALL)
def test_a_cut_anywhere_gives_the_frames_before_it_and_says_so(name: str) -> None:
    _, whole = read(ALL[name])
    seen = set()
    for length in range(len(ALL[name])):
        _check(ALL[name][:length], name in VALID)
        try:
            _, frames = read(ALL[name][:length])
        except NotACapture:
            continue
        assert frames == whole[: len(frames)]
        seen.add(len(frames))
    assert name in COMPRESSED or seen == set(range(len(whole)))


def test_a_long_file_of_noise_behind_a_magic_ends_after_what_can_be_read() -> None:
    noise = Random(4).randbytes(9_000_000)
    for start in (pcap_header(), section() + interface(), section(">") + interface(endian=">")):
        _check(start + noise, True)


def test_a_file_of_very_many_empty_records_is_read() -> None:
    reader, frames = read(pcap_header() + bytes(16) * 300_000)
    assert len(frames) == reader.frames == 300_000
