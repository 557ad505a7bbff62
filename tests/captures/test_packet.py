"""The decode as a whole: total on any bytes, and a frame cut anywhere loses facts but changes none."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from captures.flags import flag_letters
from captures.packet import Icmp, Ip, Packet, Tcp, decode, decode_ip
from tests.captures.carriers import CARRIERS, every_frame
from tests.craft import damaged, icmp_error, ip, ipv4, law, tcp

FRAMES = every_frame()


def check(packet: Packet, data: bytes) -> None:
    """What holds for every packet, whatever the bytes were."""
    assert all(name.isprintable() and name for name in (*packet.layers, *packet.problems))
    assert packet.tcp is None or packet.icmp is None
    assert packet.ip is not None or (packet.tcp is None and packet.icmp is None and not packet.outer)
    assert all(0 <= vlan < 4096 for vlan in packet.vlans)
    assert all(0 <= label < 2**20 for label in packet.mpls)
    assert set(packet.tunnels) <= set(packet.layers)
    for header in (*packet.outer, *([packet.ip] if packet.ip else [])):
        assert header.version in (4, 6)
        assert header.length >= 0
        assert 0 <= header.fragment_offset <= 65_528
        assert (header.ip_id is None) <= (header.version == 6)
    if packet.tcp is not None:
        check_tcp(packet.tcp, data)
        assert packet.ip is not None
        assert not packet.ip.is_later_fragment
    if packet.icmp is not None:
        assert 0 <= packet.icmp.type < 256
        assert packet.icmp.is_error or packet.icmp.quoted is None
        if packet.icmp.quoted is not None:
            check(packet.icmp.quoted, data)
            assert packet.icmp.quoted.icmp is None or packet.icmp.quoted.icmp.quoted is None


def check_tcp(segment: Tcp, data: bytes) -> None:
    assert all(0 <= port < 65_536 for port in (segment.sport, segment.dport, segment.window, segment.urgent))
    assert 0 <= segment.seq < 2**32
    assert 0 <= segment.ack < 2**32
    assert 0 <= segment.flags < 256
    assert len(segment.payload) <= segment.length
    assert segment.payload in data
    assert segment.complete or not segment.payload
    assert sum(2 + len(option.value) for option in segment.options if option.kind != 1) <= 40
    assert segment.checksum_ok is None or segment.complete or segment.options or not segment.payload


# ------------------------------------------------------------------------------------------------ total


@pytest.mark.parametrize("link", range(301))
def test_any_bytes_of_any_link_type_are_a_packet(link: int) -> None:
    random = Random(link)
    for size in (*range(64), 100, 200, 1500):
        data = random.randbytes(size)
        check(decode(data, link), data)
        check(decode(bytes(size), link), bytes(size))
        check(decode(b"\xff" * size, link, 5), b"\xff" * size)


@law(400)
@given(st.integers(0, 300), st.binary(max_size=200), st.one_of(st.none(), st.integers(0, 2**32 - 1)))
def test_so_are_any_bytes_that_somebody_thinks_of(link: int, data: bytes, wire_length: int | None) -> None:
    check(decode(data, link, wire_length), data)


@law(300)
@given(st.binary(max_size=200), st.booleans(), st.sampled_from([b"", b"\x45", b"\x46\0", b"\x60"]))
def test_any_bytes_are_an_ip_packet_or_say_why_not(data: bytes, quoted: bool, start: bytes) -> None:
    packet = decode_ip(start + data, quoted)
    check(packet, start + data)
    assert packet.ip is not None or packet.problems


def test_no_damage_to_a_frame_makes_the_decode_raise() -> None:
    random = Random(11)
    for link, data in FRAMES * 12:
        broken, wire = damaged(random, data)
        check(decode(broken, link, wire), broken)


@pytest.mark.parametrize("link", [147, 162, 255, 300, 65_535, -1])
def test_an_unknown_link_type_is_said_to_be_one(link: int) -> None:
    packet = decode(bytes(60), link)
    assert packet == Packet(problems=packet.problems)
    assert len(packet.problems) == 1


def test_carriers_may_be_stacked_but_not_without_end() -> None:
    stack = IP(src="192.0.2.1", dst="192.0.2.2", proto=4)
    for _ in range(9):
        stack = stack / IP(src="192.0.2.1", dst="192.0.2.2", proto=4)
    packet = decode_ip(bytes(stack / IP(src="192.0.2.3", dst="192.0.2.4") / TCP(sport=5, dport=6)))
    assert packet.tcp is not None
    assert len(packet.outer) == 10
    bomb = b"\x45\0\0\0\0\0\0\0\x40\x04\0\0" + bytes(8)
    packet = decode_ip(bomb * 3000)
    assert packet.tcp is None
    assert "too many headers" in packet.problems
    assert len(packet.outer) < 40


def test_a_frame_with_as_many_headers_as_are_read_has_no_problem() -> None:
    """31 tags and a TCP header, one header at a time."""
    for tags in range(20, 40):
        inner = bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP())
        packet = decode(bytes(12) + b"\x81\0\0\5" * tags + b"\x08\0" + inner, 1)
        assert (packet.tcp is not None) == (packet.problems == ()), tags


# ------------------------------------------------------------------------------------------------ cut


def facts(header: Ip) -> Ip:
    """A header without what a cut may take away."""
    return replace(header, options=b"")


def test_a_frame_cut_anywhere_loses_facts_but_changes_none() -> None:
    for link, data in FRAMES[:400]:
        whole = decode(data, link)
        for size in range(len(data)):
            assert_weaker(decode(data[:size], link, len(data)), whole)


def test_the_cut_is_named_unless_only_payload_is_gone() -> None:
    for carrier in CARRIERS:
        for version in carrier.families:
            inner = ip(Random(version), version) / tcp(Random(1), b"payload")
            data = carrier.frame(inner)
            end = data.rindex(b"payload")
            for size in range(end):
                cut = decode(data[:size], carrier.link, len(data))
                assert cut.problems or (cut.tcp is not None and not cut.tcp.complete), (carrier.name, size)
            for size in range(end, len(data)):
                cut = decode(data[:size], carrier.link, len(data))
                assert (cut.problems, cut.tcp is not None) == ((), True), (carrier.name, size)


def assert_weaker(cut: Packet, whole: Packet) -> None:
    assert whole.layers[: len(cut.layers)] == cut.layers
    assert whole.vlans[: len(cut.vlans)] == cut.vlans
    assert whole.mpls[: len(cut.mpls)] == cut.mpls
    headers = [*cut.outer, *([cut.ip] if cut.ip else [])]
    of_whole = [*whole.outer, *([whole.ip] if whole.ip else [])]
    for n, header in enumerate(headers):
        if header.version == 4 or (cut.tcp or cut.icmp) or n < len(headers) - 1:
            assert facts(header) == facts(of_whole[n])
        else:  # the extension headers of the last one may be gone
            assert (header.src, header.dst, header.ttl, header.tos) == (
                of_whole[n].src, of_whole[n].dst, of_whole[n].ttl, of_whole[n].tos,
            )  # fmt: skip
    if cut.tcp is not None:
        assert whole.tcp is not None
        assert_weaker_tcp(cut.tcp, whole.tcp)
    if cut.icmp is not None:
        assert whole.icmp is not None
        assert_weaker_icmp(cut.icmp, whole.icmp)


def assert_weaker_tcp(cut: Tcp, whole: Tcp) -> None:
    assert (cut.sport, cut.dport, cut.seq) == (whole.sport, whole.dport, whole.seq)
    assert cut.checksum_ok in (None, whole.checksum_ok)
    assert whole.payload.startswith(cut.payload)
    assert whole.options[: len(cut.options)] == cut.options
    if cut.complete:
        assert whole.complete
        assert replace(cut, payload=b"", checksum_ok=None) == replace(whole, payload=b"", checksum_ok=None)


def assert_weaker_icmp(cut: Icmp, whole: Icmp) -> None:
    assert (cut.version, cut.type, cut.code) == (whole.version, whole.type, whole.code)
    assert cut.mtu in (None, whole.mtu)
    assert whole.mpls[: len(cut.mpls)] == cut.mpls
    assert cut.checksum_ok in (None, whole.checksum_ok)
    if cut.quoted is not None:
        assert whole.quoted is not None
        if whole.quoted.tcp is None:  # the cut took the extensions that end the quote
            return
        if cut.quoted.ip is not None and whole.quoted.ip is not None:
            assert cut.quoted.ip.src == whole.quoted.ip.src
            assert cut.quoted.ip.ttl == whole.quoted.ip.ttl
        if cut.quoted.tcp is not None:
            assert (cut.quoted.tcp.sport, cut.quoted.tcp.dport, cut.quoted.tcp.seq) == (
                whole.quoted.tcp.sport, whole.quoted.tcp.dport, whole.quoted.tcp.seq,
            )  # fmt: skip


def test_what_lies_behind_the_packet_is_no_part_of_it() -> None:
    """Padding, a frame check sequence, or what a careless capturer left there."""
    for carrier in CARRIERS:
        for version in carrier.families:
            data = carrier.frame(ip(Random(version), version) / tcp(Random(2), b"payload"))
            whole, longer = decode(data, carrier.link), decode(data + b"\xde\xad\xbe\xef", carrier.link)
            assert longer.tcp == whole.tcp, carrier.name
            assert longer.ip == whole.ip, carrier.name


# ------------------------------------------------------------------------------------------------ the small promises


def test_flags_are_written_in_tcpdumps_letters() -> None:
    assert [flag_letters(flags) for flags in (2, 18, 4, 20, 17, 24, 0, 16, 255)] == [
        "S", "S.", "R", "R.", "F.", "P.", "none", ".", "SFRP.UEW",
    ]  # fmt: skip


def test_a_packet_names_its_tunnels_from_the_outside_in() -> None:
    inner = ipv4(Random(1), False) / TCP()
    by_name = {
        carrier.name: decode(carrier.frame(inner), carrier.link).tunnels
        for carrier in CARRIERS
        if 4 in carrier.families
    }
    assert by_name["ethernet"] == ()
    assert by_name["two VLAN tags"] == ()
    assert by_name["GRE with Ethernet"] == ("gre",)
    assert by_name["ERSPAN type II"] == ("gre", "erspan")
    assert by_name["VXLAN"] == ("vxlan",)
    assert by_name["IPv4 in IPv6"] == ("ip-in-ip",)


def test_tcp_options_are_found_by_kind() -> None:
    options = [("MSS", 1460), ("NOP", None), ("Timestamp", (7, 9)), ("MSS", 9)]
    segment = decode_ip(bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP(options=options))).tcp
    assert segment is not None
    assert (segment.mss, segment.timestamps, segment.option(3), segment.option(1)) == (1460, (7, 9), None, b"")
    bare = decode_ip(bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP(options=[(2, b"\1"), (8, b"\1\2\3")]))).tcp
    assert bare is not None
    assert (bare.mss, bare.timestamps) == (None, None)


def test_errors_are_told_from_other_messages() -> None:
    errors4 = [kind for kind in range(256) if Icmp(4, kind, 0).is_error]
    errors6 = [kind for kind in range(256) if Icmp(6, kind, 0).is_error]
    assert (errors4, errors6) == ([3, 4, 5, 11, 12], [1, 2, 3, 4])


def test_a_later_fragment_is_not_taken_for_a_header() -> None:
    data = bytes(ipv4(Random(3), False, frag=1, proto=6) / Raw(bytes(TCP(sport=22, dport=22))))
    packet = decode_ip(data)
    assert packet.ip is not None
    assert packet.ip.is_later_fragment
    assert packet.tcp is None
    assert packet.problems == ()


def test_udp_and_what_it_carries_is_not_read_inside_a_quote() -> None:
    tunnel = bytes(IP(src="192.0.2.1", dst="192.0.2.2") / UDP(dport=4789) / Raw(bytes(60)))
    packet = decode_ip(bytes(icmp_error(Random(1), 4, tunnel, False)))
    assert packet.icmp is not None
    assert packet.icmp.quoted is not None
    assert packet.icmp.quoted.layers == ("ip", "udp")
