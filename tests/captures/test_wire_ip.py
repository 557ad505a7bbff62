"""IP headers: every field as scapy reads it, fragments and extension headers, and lengths that lie."""

import struct
from ipaddress import ip_address
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.packet import Raw

from captures.packet import Ip, decode, decode_ip
from tests.captures.carriers import CARRIERS
from tests.craft import innermost, ipv4, law, tcp

SEEDS = st.integers(0, 2**32)
EXTENSIONS = (IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt, IPv6ExtHdrRouting, IPv6ExtHdrFragment)


def by_scapy(data: bytes) -> dict[str, Any]:
    """The fields of `Ip`, read by scapy from the same bytes."""
    if data[0] >> 4 == 4:
        ip = IP(data)
        return {
            "version": ip.version, "src": ip.src, "dst": ip.dst, "ttl": ip.ttl, "tos": ip.tos, "protocol": ip.proto,
            "length": ip.len - ip.ihl * 4, "ip_id": ip.id, "df": bool(ip.flags.DF), "more_fragments": bool(ip.flags.MF),
            "fragment_offset": ip.frag * 8, "flow_label": 0, "options": data[20 : ip.ihl * 4], "extensions": (),
        }  # fmt: skip
    ip = IPv6(data)
    out = {
        "version": ip.version, "src": ip.src, "dst": ip.dst, "ttl": ip.hlim, "tos": ip.tc, "protocol": ip.nh, "length": ip.plen,
        "ip_id": None, "df": False, "more_fragments": False, "fragment_offset": 0, "flow_label": ip.fl, "options": b"",
        "extensions": (),
    }  # fmt: skip
    header = ip.payload
    while isinstance(header, EXTENSIONS):
        out["extensions"] += (out["protocol"],)
        out["protocol"] = header.nh
        out["length"] -= len(header) - len(header.payload)
        if isinstance(header, IPv6ExtHdrFragment):
            out |= {"ip_id": header.id, "more_fragments": bool(header.m), "fragment_offset": header.offset * 8}
        header = header.payload
    return out


def fields(ip: Ip) -> dict[str, Any]:
    named = [name for name in Ip.__slots__ if name != "source_routed"]  # scapy has no such field
    return {name: getattr(ip, name) for name in named} | {"src": str(ip.src), "dst": str(ip.dst)}


def normal(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"src": ip_address(fields["src"]), "dst": ip_address(fields["dst"])}


@law(300)
@given(SEEDS, st.sampled_from([4, 6]))
def test_every_field_is_what_scapy_reads(seed: int, version: int) -> None:
    data = bytes(innermost(Random(seed), version))
    ip = decode_ip(data).ip
    assert ip is not None
    assert normal(fields(ip)) == normal(by_scapy(data))


@law(100)
@given(SEEDS, st.sampled_from([carrier for carrier in CARRIERS if carrier.families == (4, 6)]), st.sampled_from([4, 6]))
def test_so_it_is_inside_of_any_carrier(seed: int, carrier: Any, version: int) -> None:
    inner = innermost(Random(seed), version)
    ip = decode(carrier.frame(inner), carrier.link).ip
    assert ip is not None
    assert normal(fields(ip)) == normal(by_scapy(bytes(inner)))


def test_the_name_of_each_version_stands_among_the_layers() -> None:
    assert decode_ip(bytes(IP(src="1.1.1.1", dst="2.2.2.2", proto=99))).layers == ("ip",)
    assert decode_ip(bytes(IPv6(src="::1", dst="::2", nh=99))).layers == ("ipv6",)


# ------------------------------------------------------------------------------------------------ lengths


def short(data: bytes, total: int) -> bytes:
    return data[:2] + struct.pack(">H", total) + data[4:]


PACKET = bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=5, dport=6) / Raw(b"payload"))
PACKET6 = bytes(IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=5, dport=6) / Raw(b"payload"))


@pytest.mark.parametrize("size", [0, 4, 8, 16])
def test_a_header_length_below_twenty_is_a_problem(size: int) -> None:
    packet = decode_ip(bytes([0x40 | size // 4]) + PACKET[1:])
    assert packet.ip is None
    assert packet.problems == (f"IPv4 header length {size}",)


@pytest.mark.parametrize("total", [1, 19])
def test_a_total_length_below_the_header_is_a_problem(total: int) -> None:
    packet = decode_ip(short(PACKET, total))
    assert packet.ip is None
    assert packet.problems == (f"IPv4 total length {total}",)


def test_a_total_length_of_zero_means_all_that_is_there() -> None:
    """Segmentation offload: the capturer saw the packet before its length was filled in."""
    for data, wire in ((short(PACKET, 0), len(PACKET)), (short(PACKET, 0)[:45], len(PACKET))):
        packet = decode(data, 101, wire)
        assert packet.ip is not None
        assert packet.tcp is not None
        assert (packet.ip.length, packet.tcp.length) == (27, 7)
        assert b"payload".startswith(packet.tcp.payload)


def test_so_does_a_payload_length_of_zero() -> None:
    packet = decode_ip(PACKET6[:4] + b"\0\0" + PACKET6[6:])
    assert packet.ip is not None
    assert packet.tcp is not None
    assert (packet.ip.length, packet.tcp.length, packet.tcp.payload) == (27, 7, b"payload")


def test_a_total_length_of_zero_and_options_that_are_not_there_are_no_negative_length() -> None:
    packet = decode_ip(b"\x4f" + short(PACKET, 0)[1:30])
    assert packet.ip is not None
    assert packet.ip.length == 0
    assert packet.problems == ("IPv4 options cut",)


def test_what_the_total_length_leaves_out_is_padding() -> None:
    packet = decode_ip(short(PACKET, 43) + b"more padding")
    assert packet.tcp is not None
    assert (packet.tcp.payload, packet.tcp.length) == (b"pay", 3)


def test_options_are_kept_as_they_stand() -> None:
    data = bytes(ipv4(Random(1), True) / TCP())
    packet = decode_ip(data)
    assert packet.ip is not None
    assert packet.ip.options
    assert packet.ip.options == data[20 : (data[0] & 15) * 4]


# ------------------------------------------------------------------------------------------------ extension headers


def chain(*headers: tuple[int, bytes], last: int = 6) -> bytes:
    """An IPv6 packet with these (number, body without its first byte) before a TCP segment."""
    numbers = [number for number, _ in headers] + [last]
    body = b"".join(bytes([following]) + rest for (_, rest), following in zip(headers, numbers[1:], strict=True))
    return bytes(
        IPv6(src="2001:db8::1", dst="2001:db8::2", nh=numbers[0]) / Raw(body + bytes(TCP(sport=5, dport=6, dataofs=5)))
    )


def test_every_known_extension_header_is_walked() -> None:
    long, short = b"\1" + bytes(14), b"\0" + bytes(6)
    headers = [(0, short), (60, long), (43, long), (44, bytes(7)), (51, b"\4" + bytes(22)), (60, short)]
    headers += [(135, long), (139, short), (140, short), (253, short), (254, long)]
    packet = decode_ip(chain(*headers))
    assert packet.ip is not None
    assert packet.ip.extensions == (0, 60, 43, 44, 51, 60, 135, 139, 140, 253, 254)
    assert packet.ip.protocol == 6
    assert packet.ip.length == 20
    assert packet.tcp is not None
    assert packet.tcp.dport == 6


@pytest.mark.parametrize("number", [50, 59, 89, 17])
def test_other_headers_end_the_walk(number: int) -> None:
    packet = decode_ip(chain((0, bytes(7)), last=number))
    assert packet.ip is not None
    assert (packet.ip.extensions, packet.ip.protocol, packet.tcp) == ((0,), number, None)


def test_an_extension_header_longer_than_the_packet_is_a_problem() -> None:
    packet = decode_ip(chain((60, b"\xff" + bytes(6))))
    assert packet.tcp is None
    assert packet.problems == ("IPv6 extension header cut",)


def test_a_chain_without_end_is_not_followed_for_ever() -> None:
    packet = decode_ip(chain(*[(60, bytes(7))] * 500))
    assert packet.tcp is None


# ------------------------------------------------------------------------------------------------ fragments


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("units", [0, 1, 8191])
def test_fragments_of_both_families_say_where_they_belong(units: int, more: bool) -> None:
    body = bytes(TCP(sport=5, dport=6)) + bytes(12)
    four = IP(src="192.0.2.1", dst="192.0.2.2", flags="MF" if more else "", frag=units, proto=6, id=77) / Raw(body)
    six = IPv6(src="::1", dst="::2") / IPv6ExtHdrFragment(offset=units, m=int(more), id=77, nh=6) / Raw(body)
    for data in (bytes(four), bytes(six)):
        packet = decode_ip(data)
        assert packet.ip is not None
        assert (packet.ip.fragment_offset, packet.ip.more_fragments, packet.ip.ip_id) == (units * 8, more, 77)
        assert packet.ip.is_later_fragment == (units > 0)
        assert (packet.tcp is None) == (units > 0)
        assert ("fragment" in packet.layers) == (units > 0)
        assert packet.problems == ()


def test_what_follows_in_a_later_fragment_is_not_taken_for_extension_headers() -> None:
    six = IPv6(src="::1", dst="::2") / IPv6ExtHdrFragment(offset=4, nh=60) / Raw(b"\6\0" + bytes(6) + bytes(TCP()))
    packet = decode_ip(bytes(six))
    assert packet.ip is not None
    assert (packet.ip.extensions, packet.ip.protocol, packet.tcp) == ((44,), 60, None)


def test_the_checksum_of_a_first_fragment_is_not_judged() -> None:
    whole = bytes(tcp(Random(1), bytes(64)))
    four = IP(src="192.0.2.1", dst="192.0.2.2", flags="MF", proto=6) / Raw(whole)
    six = IPv6(src="::1", dst="::2") / IPv6ExtHdrFragment(m=1, nh=6) / Raw(whole)
    for data in (bytes(four), bytes(six)):
        packet = decode_ip(data)
        assert packet.tcp is not None
        assert packet.tcp.checksum_ok is None


# ------------------------------------------------------------------------------------------------ upper layers


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("protocol", [0, 2, 50, 59, 89, 103, 112, 132, 255])
def test_other_protocols_are_neither_tcp_nor_a_problem(version: int, protocol: int) -> None:
    body = Raw(bytes(TCP()) + bytes(40))
    four = IP(src="192.0.2.1", dst="192.0.2.2", proto=protocol) / body
    six = IPv6(src="::1", dst="::2", nh=protocol) / body
    packet = decode_ip(bytes(four if version == 4 else six))
    assert packet.ip is not None
    assert (packet.tcp, packet.icmp) == (None, None)


def test_the_control_messages_of_one_family_are_not_read_in_the_other() -> None:
    unreachable = Raw(bytes([3, 3]) + bytes(6) + PACKET)
    assert decode_ip(bytes(IPv6(src="::1", dst="::2", nh=1) / unreachable)).icmp is None
    unreachable = Raw(bytes([1, 4]) + bytes(6) + PACKET6)
    assert decode_ip(bytes(IP(src="192.0.2.1", dst="192.0.2.2", proto=58) / unreachable)).icmp is None


def test_udp_is_named_and_not_opened() -> None:
    packet = decode_ip(bytes(IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=53, dport=53) / Raw(b"x")))
    assert (packet.layers, packet.tcp, packet.problems) == (("ip", "udp"), None, ())
