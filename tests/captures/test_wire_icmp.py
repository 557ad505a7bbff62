"""ICMP errors: whose packet they quote, however little of it, and the extensions behind the quote."""

import struct
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.mpls import MPLS, ICMPExtension_MPLS
from scapy.layers.inet import ICMP, IP, TCP, ICMPExtension_InterfaceInformation, IPOption, IPOption_LSRR
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrRouting,
    in6_chksum,
)
from scapy.packet import Raw

from captures.packet import Icmp, Packet, decode, decode_ip
from tests.craft import icmp_error, ip, law, structure, summed, tcp

SEEDS = st.integers(0, 2**32)
VERSIONS = st.sampled_from([4, 6])


def message_of(data: bytes) -> Icmp:
    icmp = decode_ip(data).icmp
    assert icmp is not None
    return icmp


def quoted_by(data: bytes) -> Packet:
    quoted = message_of(data).quoted
    assert quoted is not None
    return quoted


def error(version: int, body: bytes, kind: int | None = None, code: int = 0, rest: bytes = bytes(4)) -> bytes:
    """A time-exceeded (or other) message with this body, checksum right."""
    number = kind if kind is not None else {4: 11, 6: 3}[version]
    message = bytes([number, code, 0, 0]) + rest + body
    if version == 4:
        return bytes(IP(src="203.0.113.1", dst="192.0.2.1", ttl=60, proto=1) / Raw(summed(message)))
    header = IPv6(src="2001:db8::9", dst="2001:db8::1", hlim=60, nh=58)
    return bytes(header / Raw(message[:2] + in6_chksum(58, header, message).to_bytes(2, "big") + message[4:]))


# ------------------------------------------------------------------------------------------------ quotes


@law(300)
@given(SEEDS, VERSIONS)
def test_every_field_is_what_scapy_reads(seed: int, version: int) -> None:
    random = Random(seed)
    segment, header = tcp(random), ip(random, version)
    whole = bytes(header / segment)
    least = len(whole) - len(bytes(segment)) + 8
    quote = whole[: random.choice([least, len(whole), random.randint(least, len(whole))])]
    data = bytes(icmp_error(random, version, quote, None if quote == whole else False))
    message, quoted = message_of(data), quoted_by(data)
    theirs: Any = IP(data) if version == 4 else IPv6(data)
    if version == 4:
        assert (message.type, message.code) == (theirs[ICMP].type, theirs[ICMP].code)
        assert message.mtu == (theirs[ICMP].nexthopmtu if (message.type, message.code) == (3, 4) else None)
    else:
        layer = theirs.getlayer(
            {1: ICMPv6DestUnreach, 2: ICMPv6PacketTooBig, 3: ICMPv6TimeExceeded, 4: ICMPv6ParamProblem}[message.type]
        )
        assert (message.type, message.code) == (layer.type, layer.code)
        assert message.mtu == (layer.mtu if message.type == 2 else None)
    assert quoted.ip is not None
    assert quoted.tcp is not None
    assert quoted.ip == decode_ip(whole).ip
    assert bytes(segment.payload).startswith(quoted.tcp.payload)
    if quoted.tcp.complete:
        assert quoted.tcp.length == len(segment.payload)
    assert (quoted.tcp.sport, quoted.tcp.dport, quoted.tcp.seq) == (segment.sport, segment.dport, segment.seq)
    assert quoted.tcp.checksum_ok is None
    assert message.checksum_ok is True
    assert decode_ip(data).problems == ()


@pytest.mark.parametrize("version", [4, 6])
def test_a_quote_cut_anywhere_tells_what_it_holds(version: int) -> None:
    header = IP(src="192.0.2.1", dst="192.0.2.2", ttl=1) if version == 4 else IPv6(src="::1", dst="::2", hlim=1)
    whole = bytes(header / TCP(sport=5, dport=6, seq=7, ack=8, flags="S", options=[("MSS", 1460)]) / Raw(b"payload"))
    start = len(whole) - 31
    for size in range(1, len(whole) + 1):
        quoted = quoted_by(error(version, whole[:size]))
        assert (quoted.ip is None) == (size < start)
        assert (quoted.tcp is None) == (size < start + 8)
        if quoted.tcp is not None:
            assert (quoted.tcp.sport, quoted.tcp.dport, quoted.tcp.seq) == (5, 6, 7)
            assert quoted.tcp.flags == (2 if size >= start + 14 else 0)
            assert quoted.tcp.complete == (size >= start + 24)
            assert quoted.tcp.mss == (1460 if size >= start + 24 else None)
            assert b"payload".startswith(quoted.tcp.payload)


@pytest.mark.parametrize("version", [4, 6])
def test_the_quoted_header_tells_how_long_the_packet_was_of_which_a_part_came_back(version: int) -> None:
    """1,500 bytes that did not fit, of which the usual 28 or 48 are quoted."""
    header = IP(src="192.0.2.1", dst="192.0.2.2") if version == 4 else IPv6(src="::1", dst="::2")
    whole = bytes(header / TCP(sport=5, dport=6) / Raw(bytes(1440)))
    for size in (len(whole) - 1452, len(whole) - 1440, 400):
        quoted = quoted_by(error(version, whole[:size]))
        assert quoted.ip is not None
        assert quoted.ip.length == 1460


@pytest.mark.parametrize("version", [4, 6])
def test_the_zeros_that_fill_a_quote_up_are_no_payload(version: int) -> None:
    header = IP(src="192.0.2.1", dst="192.0.2.2") if version == 4 else IPv6(src="::1", dst="::2")
    quote = bytes(header / TCP(sport=5, dport=6) / Raw(b"abc")).ljust(128, b"\0")
    for rest in (bytes(4), length_field(version, 128)):
        quoted = quoted_by(error(version, quote + structure(labels()), rest=rest))
        assert quoted.tcp is not None
        assert (quoted.tcp.payload, quoted.tcp.length) == (b"abc", 3)


def test_an_error_without_a_quote_has_none() -> None:
    for version in (4, 6):
        message = message_of(error(version, b""))
        assert (message.quoted, message.is_error, message.checksum_ok) == (None, True, True)


def test_a_quote_may_have_options() -> None:
    header = IP(src="192.0.2.1", dst="192.0.2.2", options=[IPOption(option=20, value=b"\0\0")] * 3)
    quoted = quoted_by(error(4, bytes(header / TCP(sport=5, dport=6))[:40]))
    assert quoted.tcp is not None
    assert quoted.tcp.sport == 5


def test_an_error_about_an_error_is_read_no_deeper() -> None:
    inner = error(4, bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP()))
    quoted = quoted_by(error(4, inner))
    assert quoted.icmp is not None
    assert quoted.icmp.quoted is None


def test_either_family_may_quote_the_other() -> None:
    """Translators forget; the quote says itself what it is."""
    six = bytes(IPv6(src="::1", dst="::2") / TCP(sport=5, dport=6))
    four = bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=5, dport=6))
    for version, quote in ((4, six), (6, four)):
        quoted = quoted_by(error(version, quote))
        assert quoted.tcp is not None
        assert quoted.tcp.dport == 6


@pytest.mark.parametrize("total", [0, 1, 8, 19, 20, 21, 27, 0x2800, 0xFFFF])
def test_a_quoted_total_length_that_some_stack_changed_hides_no_ports(total: int) -> None:
    """Old BSD stacks quote it without the header's own length or in their own byte order (nmap's RIPL test)."""
    whole = bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=5, dport=6, seq=7))
    quoted = quoted_by(error(4, whole[:2] + struct.pack(">H", total) + whole[4:28]))
    assert quoted.tcp is not None
    assert (quoted.tcp.sport, quoted.tcp.dport, quoted.tcp.seq) == (5, 6, 7)


@pytest.mark.parametrize("length", [0, 1, 7])
def test_neither_does_a_quoted_payload_length(length: int) -> None:
    whole = bytes(IPv6(src="::1", dst="::2") / TCP(sport=5, dport=6, seq=7))
    quoted = quoted_by(error(6, whole[:4] + struct.pack(">H", length) + whole[6:]))
    assert quoted.tcp is not None
    assert quoted.tcp.dport == 6


# ------------------------------------------------------------------------------------------------ RFC 4884


STACK = [(16, 0, 1), (1048574, 5, 254)]


def labels() -> Any:
    return ICMPExtension_MPLS(
        stack=[MPLS(label=label, cos=cos, s=n, ttl=ttl) for n, (label, cos, ttl) in enumerate(STACK)]
    )


def quote_of(version: int, size: int) -> bytes:
    header = IP(src="192.0.2.1", dst="192.0.2.2") if version == 4 else IPv6(src="::1", dst="::2")
    return bytes(header / TCP(sport=5, dport=6, seq=7)).ljust(size, b"\0")


def length_field(version: int, size: int) -> bytes:
    return bytes([0, size // 4, 0, 0]) if version == 4 else bytes([size // 8, 0, 0, 0])


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("size", [128, 136, 160, 512])
def test_label_stack_and_other_objects_are_read_behind_the_quote(version: int, size: int) -> None:
    interface = ICMPExtension_InterfaceInformation(classtype=0, has_ifindex=1, ifindex=7)
    data = error(version, quote_of(version, size) + structure(interface, labels()), rest=length_field(version, size))
    message = message_of(data)
    assert message.mpls == tuple(STACK)
    assert message.extensions == ((2, interface.classtype << 6 | 8),)
    quoted = quoted_by(data)
    assert quoted.tcp is not None
    assert quoted.tcp.seq == 7
    assert message.checksum_ok is True


@pytest.mark.parametrize(("version", "kind"), [(4, 3), (4, 11), (4, 12), (6, 1), (6, 3)])
def test_the_length_field_stands_in_every_message_that_rfc_4884_names(version: int, kind: int) -> None:
    message = message_of(
        error(version, quote_of(version, 160) + structure(labels()), kind, 0, length_field(version, 160))
    )
    assert message.mpls == tuple(STACK)


@pytest.mark.parametrize(("version", "kind"), [(4, 4), (4, 5), (6, 2), (6, 4)])
def test_no_length_field_is_read_where_the_same_bytes_mean_something_else(version: int, kind: int) -> None:
    """A gateway's address, an MTU, a pointer."""
    body = quote_of(version, 160)[:-1] + b"!" + structure(labels())
    data = error(version, body, kind, 0, length_field(version, 160))
    assert message_of(data).mpls == ()
    quoted = quoted_by(data)
    assert quoted.tcp is not None


def test_an_object_is_a_label_stack_by_class_and_type() -> None:
    entry = struct.pack(">I", 77 << 12 | 0x1FF)
    objects = [struct.pack(">HBB", 8, *kind) + entry for kind in ((1, 1), (1, 2), (2, 1), (3, 0))]
    message = message_of(error(4, quote_of(4, 128) + structure(*objects)))
    assert message.mpls == ((77, 0, 255),)
    assert message.extensions == ((1, 2), (2, 1), (3, 0))


def test_an_object_may_be_empty_and_the_only_one() -> None:
    assert message_of(error(4, quote_of(4, 128) + structure(b"\0\4\7\5"))).extensions == ((7, 5),)
    assert message_of(error(4, quote_of(4, 128) + structure(b"\0\4\7\5", b"\0\4\7\6"))).extensions == ((7, 5), (7, 6))


@pytest.mark.parametrize("version", [4, 6])
def test_the_old_style_without_a_length_field_is_read_too(version: int) -> None:
    message = message_of(error(version, quote_of(version, 128) + structure(labels())))
    assert message.mpls == tuple(STACK)
    assert message.extensions == ()


@pytest.mark.parametrize("version", [4, 6])
def test_an_extension_structure_with_a_wrong_checksum_or_version_is_not_read(version: int) -> None:
    right = structure(labels())
    for wrong in (right[:2] + bytes([right[2] ^ 1]) + right[3:], b"\x10" + right[1:], right[:7]):
        for rest in (bytes(4), length_field(version, 128)):
            message = message_of(error(version, quote_of(version, 128) + wrong, rest=rest))
            assert (message.mpls, message.extensions) == ((), ())
            assert message.quoted is not None
            assert message.quoted.tcp is not None


def test_an_extension_checksum_of_zero_was_never_made() -> None:
    data = structure(labels())
    assert message_of(error(4, quote_of(4, 128) + data[:2] + b"\0\0" + data[4:])).mpls == tuple(STACK)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("words", [1, 2, 5, 6, 7, 9])
def test_a_length_field_too_small_to_be_one_hides_no_ports(version: int, words: int) -> None:
    """The field was unused before RFC 4884; with extensions a quote has 128 bytes at least."""
    rest = bytes([0, words, 0, 0]) if version == 4 else bytes([words, 0, 0, 0])
    quoted = quoted_by(error(version, quote_of(version, 0), rest=rest))
    assert quoted.tcp is not None
    assert quoted.tcp.seq == 7


@pytest.mark.parametrize("words", range(1, 18))
def test_neither_does_one_that_would_cut_the_options_of_the_quote(words: int) -> None:
    header = IP(src="192.0.2.1", dst="192.0.2.2", options=[IPOption(option=20, value=b"\0\0")] * 10)
    quote = bytes(header / TCP(sport=5, dport=6, seq=7))[:68]
    quoted = quoted_by(error(4, quote, rest=bytes([0, words, 0, 0])))
    assert quoted.tcp is not None
    assert quoted.tcp.seq == 7


@pytest.mark.parametrize("version", [4, 6])
def test_a_length_field_longer_than_the_message_hides_no_ports(version: int) -> None:
    quoted = quoted_by(error(version, quote_of(version, 0), rest=length_field(version, 512)))
    assert quoted.tcp is not None
    assert quoted.tcp.seq == 7


def test_objects_of_impossible_length_end_the_list() -> None:
    for size in (0, 3, 200):
        body = structure(labels(), struct.pack(">HBB", size, 9, 9) + bytes(8))
        assert message_of(error(4, quote_of(4, 128) + body)).mpls == tuple(STACK)


# ------------------------------------------------------------------------------------------------ other messages


@pytest.mark.parametrize(("kind", "code", "mtu"), [(3, 4, 1400), (3, 1, None), (11, 0, None), (5, 4, None)])
def test_the_mtu_is_read_only_where_there_is_one(kind: int, code: int, mtu: int | None) -> None:
    assert message_of(error(4, quote_of(4, 0), kind, code, struct.pack(">HH", 0, 1400))).mtu == mtu


def test_the_mtu_of_a_packet_too_big_has_four_bytes() -> None:
    assert message_of(error(6, quote_of(6, 0), 2, 0, struct.pack(">I", 70_000))).mtu == 70_000


def test_queries_and_answers_are_no_errors_and_quote_nothing() -> None:
    quote = quote_of(4, 0)
    for kind in set(range(256)) - {3, 4, 5, 11, 12}:
        message = message_of(
            bytes(IP(src="192.0.2.1", dst="192.0.2.2") / ICMP(bytes([kind, 0, 0, 0]) + bytes(4) + quote))
        )
        assert (message.is_error, message.quoted) == (False, None)
    ping = message_of(bytes(IPv6(src="::1", dst="::2") / ICMPv6EchoRequest(data=quote)))
    assert (ping.type, ping.is_error, ping.quoted) == (128, False, None)


@pytest.mark.parametrize("version", [4, 6])
def test_the_checksum_is_right_wrong_or_not_known(version: int) -> None:
    data = error(version, quote_of(version, 60))
    start = 20 if version == 4 else 40
    assert message_of(data).checksum_ok is True
    for at in (start + 2, start + 5, len(data) - 1):
        wrong = bytearray(data)
        wrong[at] ^= 0x10
        assert message_of(bytes(wrong)).checksum_ok is False
    cut = decode(data[:-1], 101, len(data)).icmp
    assert cut is not None
    assert cut.checksum_ok is None


def test_behind_a_routing_header_a_right_checksum_is_not_called_wrong() -> None:
    six = IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrRouting(addresses=["2001:db8::9"], segleft=1)
    assert message_of(bytes(six / ICMPv6TimeExceeded() / Raw(quote_of(6, 0)))).checksum_ok is not False
    four = IP(src="192.0.2.1", dst="192.0.2.2", options=[IPOption_LSRR(routers=["192.0.2.9"], pointer=4)], proto=1)
    assert message_of(bytes(four / Raw(summed(bytes([11, 0, 0, 0]) + bytes(4))))).checksum_ok is True


@pytest.mark.parametrize("size", range(4))
def test_a_message_without_type_and_code_is_cut(size: int) -> None:
    packet = decode(error(4, b"")[: 20 + size], 101, 100)
    assert packet.icmp is None
    assert packet.problems == (f"ICMP header cut after {size} bytes",)


@pytest.mark.parametrize("size", range(4, 8))
def test_type_and_code_are_told_of_a_message_cut_behind_them(size: int) -> None:
    packet = decode(error(4, quote_of(4, 0))[: 20 + size], 101, 100)
    assert packet.icmp is not None
    assert (packet.icmp.type, packet.icmp.quoted, packet.icmp.checksum_ok) == (11, None, None)
