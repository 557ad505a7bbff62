"""Tunnels: followed where they are what they claim to be, and left alone where they are not."""

import struct

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet as Layer
from scapy.packet import Raw

from captures.packet import decode_ip

INNER = IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=5, dport=6)
INNER6 = IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=5, dport=6)


def over(protocol: int, body: bytes) -> bytes:
    return bytes(IP(src="203.0.113.1", dst="203.0.113.2", proto=protocol) / Raw(body))


def over_udp(port: int, body: bytes | Layer) -> bytes:
    return bytes(IP(src="203.0.113.1", dst="203.0.113.2") / UDP(sport=50000, dport=port) / Raw(bytes(body)))


LEFT_ALONE = {
    "UDP on another port": over_udp(4788, bytes(8) + bytes(INNER)),
    "VXLAN without a network number": over_udp(4789, bytes(8) + bytes(14) + bytes(INNER)),
    "VXLAN that names something unknown": over_udp(4789, b"\x0c\0\0\x07" + bytes(4) + bytes(INNER)),
    "GENEVE of another version": over_udp(6081, b"\x40\0\x08\0" + bytes(4) + bytes(INNER)),
    "GENEVE with an unknown protocol": over_udp(6081, b"\0\0\x88\xb5" + bytes(4) + bytes(INNER)),
    "a Teredo bubble's neighbour": over_udp(3544, bytes(INNER)),
    "a GTP echo": over_udp(2152, b"\x30\x01\0\0" + bytes(4) + bytes(INNER)),
    "GTP of version 2": over_udp(2152, b"\x50\xff\0\0" + bytes(4) + bytes(INNER)),
    "a GRE keepalive": over(47, b"\0\0\0\0"),
    "GRE with an unknown protocol": over(47, b"\0\0\x88\xb5" + bytes(INNER)),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_what_only_looks_like_a_tunnel_is_left_alone(name: str) -> None:
    packet = decode_ip(LEFT_ALONE[name])
    assert packet.tcp is None
    assert packet.problems == ()
    assert packet.outer == ()
    assert packet.ip is not None
    assert str(packet.ip.src) == "203.0.113.1"


def test_gre_with_source_routing_is_not_guessed_at() -> None:
    packet = decode_ip(over(47, b"\x40\0\x08\0" + bytes(4) + bytes(INNER)))
    assert packet.tcp is None
    assert packet.problems


@pytest.mark.parametrize("flags", range(8))
def test_the_optional_words_of_gre_are_stepped_over(flags: int) -> None:
    bits = (flags & 4) << 13 | (flags & 2) << 12 | (flags & 1) << 12
    packet = decode_ip(over(47, struct.pack(">HH", bits, 0x0800) + bytes(4 * flags.bit_count()) + bytes(INNER)))
    assert packet.tcp is not None
    assert packet.tcp.dport == 6


@pytest.mark.parametrize("numbers", [0, 0x1000, 0x0080, 0x1080])
def test_so_are_those_of_pptp(numbers: int) -> None:
    head = struct.pack(">HHHH", 0x2001 | numbers, 0x880B, 4, 1) + bytes(4 * numbers.bit_count())
    packet = decode_ip(over(47, head + b"\xff\x03\0\x21" + bytes(INNER)))
    assert packet.tcp is not None
    assert packet.layers == ("ip", "gre", "ppp", "ip", "tcp")


@pytest.mark.parametrize("words", [0, 1, 63])
def test_the_options_of_geneve_are_stepped_over(words: int) -> None:
    packet = decode_ip(over_udp(6081, bytes([words, 0, 0x86, 0xDD]) + bytes(4 + 4 * words) + bytes(INNER6)))
    assert packet.tcp is not None
    assert packet.tunnels == ("geneve",)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_extension_headers_of_gtp_are_stepped_over(count: int) -> None:
    chain = b"".join(b"\1\0\0" + (b"\x85" if n < count - 1 else b"\0") for n in range(count))
    packet = decode_ip(over_udp(2152, b"\x34\xff\0\0" + bytes(4) + b"\0\0\0\x85" + chain + bytes(INNER)))
    assert packet.tcp is not None
    assert packet.tunnels == ("gtp-u",)


@pytest.mark.parametrize("flag", [1, 2])
def test_gtp_without_extension_headers_has_none_whatever_their_field_says(flag: int) -> None:
    packet = decode_ip(over_udp(2152, bytes([0x30 | flag, 0xFF, 0, 0]) + bytes(4) + b"\0\0\0\x85" + bytes(INNER)))
    assert packet.tcp is not None


@pytest.mark.parametrize("identity", [0, 5])
@pytest.mark.parametrize("proof", [0, 20])
def test_teredo_authentication_is_stepped_over(identity: int, proof: int) -> None:
    prefix = bytes([0, 1, identity, proof]) + bytes(identity + proof + 9) + bytes(8)
    packet = decode_ip(over_udp(3544, prefix + bytes(INNER6)))
    assert packet.tcp is not None
    assert packet.tunnels == ("teredo",)


def test_the_tunnel_s_own_length_bounds_what_is_inside() -> None:
    """Bytes behind the outer datagram are not the inner one's."""
    data = over(4, bytes(INNER / Raw(b"payload")))
    short = data[:2] + struct.pack(">H", len(data) - 3) + data[4:]
    packet = decode_ip(short)
    assert packet.tcp is not None
    assert packet.tcp.payload == b"payl"
    assert packet.tcp.checksum_ok is None
