"""The scan: the same rows as the decode gives, for every frame that bytes can make; and every frame counted once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import ICMPv6EchoReply, IPv6, IPv6ExtHdrFragment
from scapy.packet import Raw

from captures.decoded import MOST_SIGNS, Sign, is_sign
from captures.formats import Window, open_capture
from captures.packet import Packet, decode
from captures.scan import scan
from captures.table import PacketTable, row_of
from tests.captures.carriers import CARRIERS, every_frame
from tests.craft import (
    damaged,
    frames_of,
    icmp_error,
    interface,
    ip,
    law,
    other_way,
    pcap,
    pcapng,
    quote,
    section,
    source,
    summed,
    tcp,
)

FRAMES = every_frame()
KINDS = ("tcp", "icmp-error", "fragment", "other", "unreadable")
LOCATION = ("number", "ts_ns", "start", "at", "caplen", "origlen", "link", "interface")

Item = tuple[int, bytes, int]  # link type, captured bytes, length on the wire


def windows(frames: Iterable[Item]) -> Iterable[Window]:
    return open_capture(source(pcapng(frames)))


def whole(frames: Iterable[tuple[int, bytes]]) -> list[Item]:
    return [(link, data, len(data)) for link, data in frames]


def assert_agrees(window: Window) -> tuple[PacketTable, Counter[str]]:
    """The law: a row for exactly the frames that `row_of` gives one, and every field of it the same."""
    counts: Counter[str] = Counter()
    table = scan(window, counts)
    assert_both_ways(window, table, counts)
    expected: list[tuple[int, dict[str, Any], bytes]] = []
    kinds: Counter[str] = Counter()
    signs: list[tuple[int, Packet]] = []
    for index, frame in enumerate(frames_of(window)):
        packet = decode(frame.data, frame.link, frame.wire_length)
        row = row_of(packet, int(window.start[index]))
        kinds.update(packet.tunnels)
        if row is not None:
            kinds["icmp-error" if row["icmp"] else "tcp"] += 1
            payload = packet.tcp.payload if packet.tcp is not None else b""
            expected.append((index, row, payload))
            continue
        if is_sign(packet):
            signs.append((int(window.number[index]), packet))
        if packet.ip is not None and packet.ip.is_later_fragment:
            kinds["fragment"] += 1
        else:
            kinds["unreadable" if packet.problems else "other"] += 1
    rows = [index for index, _, _ in expected]
    assert table.number.tolist() == window.number[rows].tolist()
    for name in LOCATION:
        assert getattr(table, name).tolist() == getattr(window, name)[rows].tolist(), name
    for name in (field.name for field in fields(PacketTable)):
        if name not in LOCATION:
            column = getattr(table, name)
            got, wanted = column.tolist(), [row[name] for _, row, _ in expected]
            wrong = [n for n, (a, b) in enumerate(zip(got, wanted, strict=True)) if a != b]
            assert not wrong, (name, got[wrong[0]], wanted[wrong[0]], frames_of(window)[rows[wrong[0]]])
    for n, (index, _, payload) in enumerate(expected):
        start, size = int(table.payload_start[n]), int(table.payload_caplen[n])
        assert size == len(payload)
        if payload:
            assert window.buffer[start : start + size].tobytes() == payload
            assert window.start[index] <= start
            assert start + size <= window.start[index] + window.caplen[index]
    assert sum(counts[kind] for kind in KINDS) == len(window)
    assert +counts == kinds
    assert told(window) == signs
    with other_way():
        assert told(window) == signs
    return table, counts


def told(window: Window) -> list[tuple[int, Packet]]:
    """The signs, which change nothing else."""
    signs: list[Sign] = []
    counts: Counter[str] = Counter()
    assert len(scan(window, counts, signs)) == counts["tcp"] + counts["icmp-error"]
    return [(sign.number, sign.packet) for sign in signs]


def assert_both_ways(window: Window, table: PacketTable, counts: Counter[str]) -> None:
    """The scan in C, where it was built, and that of whole arrays: the same to the last bit."""
    others: Counter[str] = Counter()
    with other_way():
        other = scan(window, others)
    assert +others == +counts
    for name in (field.name for field in fields(PacketTable)):
        one, two = getattr(table, name), getattr(other, name)
        assert one.dtype == two.dtype, name
        assert np.array_equal(one, two), name


def agree(frames: Iterable[Item]) -> Counter[str]:
    total: Counter[str] = Counter()
    for window in windows(frames):
        total += assert_agrees(window)[1]
    return total


# ------------------------------------------------------------------------------------------------ the law


def test_the_scan_agrees_with_the_decode_on_every_kind_of_frame() -> None:
    counts = agree(whole(FRAMES))
    assert all(counts[kind] > 20 for kind in KINDS)


def test_it_agrees_on_each_carrier_alone() -> None:
    """One link type and one shape fill the window: the ways that take whole columns at once."""
    for carrier in CARRIERS:
        for version in carrier.families:
            random = Random(version)
            packets = [ip(random, version) / tcp(random) for _ in range(6)]
            counts = agree(whole((carrier.link, carrier.frame(packet)) for packet in packets))
            assert counts["tcp"] == 6, carrier.name
            counts = agree(whole((carrier.link, carrier.frame(icmp_error(random, version))) for _ in range(12)))
            assert counts["icmp-error"] == 12, carrier.name


def test_it_agrees_on_frames_cut_anywhere() -> None:
    for link, data in FRAMES[:300]:
        agree((link, data[:size], len(data)) for size in range(len(data) + 1))


@pytest.mark.parametrize("seed", range(8))
def test_it_agrees_on_damaged_frames(seed: int) -> None:
    random = Random(seed)
    agree((link, *damaged(random, data)) for link, data in FRAMES * 4)


@pytest.mark.parametrize("version", [4, 6])
def test_it_agrees_on_damaged_errors(version: int) -> None:
    """Errors have the most bytes that change what the others mean."""
    random = Random(version)
    errors = [bytes(icmp_error(random, version)) for _ in range(150)]
    agree((101, *damaged(random, data)) for data in errors * 20)


def test_it_agrees_on_every_value_of_every_byte_of_a_header() -> None:
    random = Random(1)
    for version in (4, 6):
        for inner in (
            ip(random, version) / tcp(random, b"payload"),
            icmp_error(random, version, quote(random, version), False),
        ):
            data = CARRIERS[0].frame(inner)
            agree(
                (1, data[:at] + bytes([value]) + data[at + 1 :], len(data))
                for at in range(12, min(len(data), 110))
                for value in (
                    0,
                    1,
                    2,
                    3,
                    4,
                    5,
                    6,
                    17,
                    20,
                    41,
                    47,
                    58,
                    64,
                    0x45,
                    0x60,
                    0x80,
                    0xFF,
                    data[at] ^ 1,
                    data[at] ^ 16,
                )
            )


CHANGES = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=4)
ITEMS = st.tuples(st.integers(0, len(FRAMES) - 1), CHANGES, st.integers(0, 300), st.sampled_from([0, 60, 200, 1514]))


@law(200)
@given(st.lists(ITEMS, min_size=1, max_size=12))
def test_it_agrees_on_whatever_somebody_thinks_of(items: list[tuple[int, list[tuple[int, int]], int, int]]) -> None:
    frames = []
    for index, changes, cut, wire in items:
        link, data = FRAMES[index]
        changed = bytearray(data)
        for at, value in changes:
            changed[at : at + 1] = bytes([value]) if at < len(changed) else b""
        frames.append((link, bytes(changed[:cut]), wire or len(data)))
    agree(frames)


@law(150)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 9, 12, 101, 105, 113, 127, 147, 228, 276]), st.binary(max_size=90)),
        min_size=1,
        max_size=8,
    )
)
def test_it_agrees_on_arbitrary_bytes(frames: list[tuple[int, bytes]]) -> None:
    agree(whole(frames))


def test_it_agrees_on_noise_of_every_link_type() -> None:
    random = Random(9)
    starts = (
        b"",
        b"\x45\0\0\x40",
        bytes(12) + b"\x08\0\x45\0",
        bytes(12) + b"\x86\xdd\x60",
        bytes(14) + b"\x08\0\x45",
        b"\x08\0" + bytes(18) + b"\x45",
    )
    agree(
        (link, random.choice(starts) + random.randbytes(random.randrange(90)), random.randrange(100))
        for link in range(301)
        for _ in range(5)
    )


def test_it_agrees_on_every_sample(samples: Path) -> None:
    files = sorted(samples.glob("*.pcap"))
    assert len(files) > 15
    seen: Counter[str] = Counter()
    for path in files:
        for window in open_capture(source(path.read_bytes())):
            seen += assert_agrees(window)[1]
    assert seen["tcp"] > 500
    assert seen["icmp-error"] > 5


def test_what_stands_before_and_behind_a_frame_in_the_buffer_changes_nothing() -> None:
    """Frames cut short have their neighbours' bytes where their own headers would be."""
    random = Random(2)
    cut = [(link, data[: random.randint(0, 60)], len(data)) for link, data in FRAMES[:400]]
    alone: Counter[str] = Counter()
    for item in cut:
        alone += agree([item])
    for fence in (b"", bytes(64), b"\xff" * 64, b"\x45\0\0\x28\0\0\x40\0\x40\x06" * 7, b"\x81\0\0\1\x08\0\x45\0" * 8):
        items = [entry for item in cut for entry in (item, (147, fence, len(fence)))]
        counts = agree(items)
        counts["unreadable"] -= len(cut)
        assert counts == alone


# ------------------------------------------------------------------------------------------------ single promises


def rows(*frames: Item | tuple[int, bytes]) -> list[dict[str, Any]]:
    items = [(entry[0], entry[1], entry[2] if len(entry) > 2 else len(entry[1])) for entry in frames]
    out = []
    for window in windows(items):
        table = assert_agrees(window)[0]
        out += [
            {name: getattr(table, name)[n].item() for name in (field.name for field in fields(PacketTable))}
            for n in range(len(table))
        ]
    return out


SYN = IP(src="192.0.2.1", dst="198.51.100.2", ttl=61, id=7, tos=16) / TCP(
    sport=40000, dport=22, seq=9, ack=3, flags="S", window=512
)
SYN6 = IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=61, tc=16) / TCP(sport=40000, dport=22, seq=9, flags="S")


def test_a_row_tells_the_segment() -> None:
    (row,) = rows((101, bytes(SYN / Raw(b"hello"))))
    told = {
        name: row[name]
        for name in (
            "family",
            "src_hi",
            "src_lo",
            "dst_hi",
            "dst_lo",
            "sport",
            "dport",
            "seq",
            "ack",
            "flags",
            "window",
        )
    }
    assert told == {
        "family": 4, "src_hi": 0, "src_lo": 0xC0000201, "dst_hi": 0, "dst_lo": 0xC6336402, "sport": 40000, "dport": 22, "seq": 9,
        "ack": 3, "flags": 2, "window": 512,
    }  # fmt: skip
    assert (row["ttl"], row["tos"], row["ip_id"], row["length"], row["payload_caplen"], row["icmp"]) == (
        61,
        16,
        7,
        5,
        5,
        False,
    )


def test_addresses_of_both_halves_are_told() -> None:
    (row,) = rows((101, bytes(SYN6)))
    assert (row["family"], row["src_hi"], row["src_lo"], row["dst_lo"]) == (6, 0x20010DB8_00000000, 1, 2)
    assert (row["ttl"], row["tos"], row["ip_id"]) == (61, 16, 0)


def test_an_error_s_row_bears_the_quoted_flow_and_its_own_sender() -> None:
    message = summed(b"\3\r\0\0\0\0\0\0" + bytes(SYN)[:28])
    (row,) = rows(
        (101, bytes(IP(src="203.0.113.1", dst="192.0.2.1", ttl=250, id=99, tos=0xC0, proto=1) / Raw(message)))
    )
    assert (row["icmp"], row["icmp_type"], row["icmp_code"], row["quoted_ttl"]) == (True, 3, 13, 61)
    assert (row["src_lo"], row["dst_lo"], row["sport"], row["dport"], row["seq"]) == (
        0xC0000201,
        0xC6336402,
        40000,
        22,
        9,
    )
    assert (row["ttl"], row["tos"], row["ip_id"], row["sender_hi"], row["sender_lo"]) == (250, 0xC0, 99, 0, 0xCB007101)
    assert (row["flags"], row["window"], row["length"], row["payload_caplen"]) == (0, 0, 0, 0)


def test_the_payload_is_found_where_it_lies_even_if_a_header_holds_the_same_bytes() -> None:
    data = bytes(SYN / Raw(b"\0"))
    for link, before in (
        (101, b""),
        (9, b"\0\x21"),
        (127, bytes.fromhex("0000080000000000") + b"\x08\1" + bytes(22) + b"\xaa\xaa\3\0\0\0\x08\0"),
    ):
        (row,) = rows((link, before + data))
        assert row["payload_start"] - row["start"] == len(before) + 40


def test_the_wire_length_decides_how_long_a_payload_was() -> None:
    data = bytes(SYN / Raw(b"x" * 100))
    (row,) = rows((101, data[:60], len(data)))
    assert (row["length"], row["payload_caplen"], row["caplen"], row["origlen"]) == (100, 20, 60, 140)


def test_a_segment_whose_length_was_left_to_the_network_card_has_the_frame_s() -> None:
    data = bytes(SYN / Raw(b"x" * 100))
    data = data[:2] + b"\0\0" + data[4:]
    for wire in (0, 60, len(data), 500):
        (row,) = rows((101, data, wire))
        assert row["length"] == max(wire, len(data)) - 40


@pytest.mark.parametrize("length", [1, 2, 6, 7, 31, 32, 100])
def test_an_error_with_a_strange_length_field_has_a_row_all_the_same(length: int) -> None:
    for version, syn in ((4, SYN), (6, SYN6)):
        (row,) = rows((101, with_length(version, length, bytes(syn)[: 28 if version == 4 else 48])))
        assert (row["icmp"], row["dport"], row["seq"]) == (True, 22, 9)


@pytest.mark.parametrize("words", range(1, 18))
def test_so_has_one_whose_quote_has_options(words: int) -> None:
    syn = IP(src="192.0.2.1", dst="198.51.100.2", options=[IPOption(option=20, value=b"\0\0")] * 10) / TCP(
        dport=22, seq=9
    )
    (row,) = rows((101, with_length(4, words, bytes(syn)[:68])))
    assert (row["icmp"], row["dport"], row["seq"]) == (True, 22, 9)


def with_length(version: int, length: int, quoted: bytes) -> bytes:
    if version == 4:
        return bytes(
            IP(src="203.0.113.1", dst="192.0.2.1", proto=1)
            / Raw(summed(bytes([11, 0, 0, 0, 0, length, 0, 0]) + quoted))
        )
    return bytes(IPv6(src="2001:db8::9", dst="2001:db8::1", nh=58) / Raw(bytes([3, 0, 0, 0, length, 0, 0, 0]) + quoted))


@pytest.mark.parametrize("total", [0, 1, 19, 20, 27, 28, 0x2800])
def test_an_error_whose_quote_has_a_strange_length_has_a_row_all_the_same(total: int) -> None:
    quoted = bytes(SYN)
    (row,) = rows((101, with_length(4, 0, quoted[:2] + total.to_bytes(2, "big") + quoted[4:28])))
    assert (row["icmp"], row["dport"], row["seq"]) == (True, 22, 9)


def test_the_control_messages_of_the_other_family_have_no_row() -> None:
    four = IP(src="203.0.113.1", dst="192.0.2.1", proto=58) / Raw(bytes([1, 0, 0, 0, 0, 0, 0, 0]) + bytes(SYN6))
    six = IPv6(src="2001:db8::9", dst="2001:db8::1", nh=1) / Raw(bytes([3, 0, 0, 0, 0, 0, 0, 0]) + bytes(SYN))
    assert rows((101, bytes(four)), (101, bytes(six))) == []


def test_an_error_about_something_else_than_tcp_has_no_row() -> None:
    for quoted in (
        bytes(IP(src="192.0.2.1", dst="192.0.2.2") / UDP()),
        bytes(IP(src="192.0.2.1", dst="192.0.2.2", frag=3, proto=6) / Raw(bytes(20))),
    ):
        assert rows((101, with_length(4, 0, quoted))) == []


def test_link_types_may_alternate_and_rows_stay_in_file_order() -> None:
    carriers = {"ethernet": 4, "raw IP": 6, "Linux cooked": 4, "802.11 to the access point": 6, "VXLAN": 4}
    frames = []
    for n in range(50):
        carrier = next(c for c in CARRIERS if c.name == list(carriers)[n % 5])
        header = IP(src="192.0.2.1", dst="192.0.2.2") if n % 2 else IPv6(src="::1", dst="::2")
        frames.append((carrier.link, carrier.frame(header / TCP(seq=n))))
    assert [row["seq"] for row in rows(*frames)] == list(range(50))


# ------------------------------------------------------------------------------------------------ counts


def test_every_kind_of_frame_is_counted_by_its_name() -> None:
    error = with_length(4, 0, bytes(SYN))
    fragment = bytes(IP(src="192.0.2.1", dst="192.0.2.2", frag=2, proto=6) / Raw(bytes(24)))
    fragment6 = bytes(IPv6(src="::1", dst="::2") / IPv6ExtHdrFragment(offset=2, nh=6) / Raw(bytes(24)))
    tunnel = CARRIERS[[c.name for c in CARRIERS].index("IPv6 in IPv4 in a VLAN in VXLAN")].frame(SYN6)
    counts = agree(whole([
        (101, bytes(SYN)), (101, bytes(SYN6)), (101, error), (101, fragment), (101, fragment6),
        (101, bytes(IP(src="1.1.1.1", dst="2.2.2.2") / UDP())), (1, bytes(12) + b"\x08\x06" + bytes(28)),
        (101, b"\x45\0\0"), (101, b""), (147, bytes(60)), (1, bytes(13)), (1, tunnel),
    ]))  # fmt: skip
    assert counts == {"tcp": 3, "icmp-error": 1, "fragment": 2, "other": 2, "unreadable": 4, "vxlan": 1, "6in4": 1}


PROBES = [(30, 33434), (31, 33434), (5, 53)]  # TTL and port: the first alone is a traceroute's


def test_pings_and_errors_about_udp_are_told_until_there_are_enough() -> None:
    ping = bytes(IP(src="192.0.2.1", dst="192.0.2.2", ttl=9) / ICMP(id=7, seq=3))
    pong = bytes(IPv6(src="::1", dst="::2") / ICMPv6EchoReply(id=8, seq=4))
    about = with_length(4, 0, bytes(IP(src="192.0.2.1", dst="192.0.2.2") / UDP()))
    probes = [bytes(IP(src="192.0.2.1", dst="192.0.2.2", ttl=ttl) / UDP(sport=5, dport=port)) for ttl, port in PROBES]
    frames = [(101, ping), (101, bytes(SYN)), (101, pong), (101, about), *((101, probe) for probe in probes)]
    (window,) = windows(whole(frames))
    found = [packet for _, packet in told(window)]
    assert [(p.icmp.echo, p.icmp.ident, p.icmp.sequence) for p in found if p.icmp] == [
        ("request", 7, 3), ("reply", 8, 4), ("", 0, 0),
    ]  # fmt: skip
    assert [p.udp for p in found if p.udp] == [(5, 33434)]
    for enough in (MOST_SIGNS - 1, MOST_SIGNS):
        signs = [Sign(0, 0, found[0])] * enough
        counts: Counter[str] = Counter()
        scan(window, counts, signs)
        assert len(signs) == (MOST_SIGNS + 3 if enough < MOST_SIGNS else MOST_SIGNS)  # it is looked at once a window
        assert counts["other"] == 3 + len(PROBES)


def test_counts_add_up_over_windows() -> None:
    counts: Counter[str] = Counter({"tcp": 5})
    for window in windows([(101, bytes(SYN), 40)] * 3):
        scan(window, counts)
    assert counts["tcp"] == 8


def test_chosen_rows_can_be_taken() -> None:
    (window,) = open_capture(source(pcap([bytes(SYN), bytes(SYN6), bytes(SYN)], 101)))
    table = scan(window, Counter())
    assert len(table) == 3
    assert table.take(np.array([True, False, True])).number.tolist() == [1, 3]
    assert table.take(np.array([1])).family.tolist() == [6]
    assert len(table.take(np.zeros(3, np.bool_))) == 0


def test_a_window_without_tcp_gives_a_table_without_rows() -> None:
    (window,) = open_capture(source(section() + interface(147) + pcapng([(147, b"x", 1)])[48:]))
    table = scan(window, Counter())
    assert len(table) == 0
    assert {len(getattr(table, field.name)) for field in fields(PacketTable)} == {0}
