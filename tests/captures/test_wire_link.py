"""Link layers and carriers: through every one of them the packet inside is found, and nothing is found where nothing is."""

import struct
from random import Random

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from captures.packet import decode, decode_ip
from tests.captures.carriers import CARRIERS, MAC, Carrier
from tests.craft import ip, ipv4, tcp

PACKET = bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=5, dport=6, seq=7) / Raw(b"inside"))
ETHER = bytes.fromhex(MAC.replace(":", "")) * 2


@pytest.mark.parametrize("carrier", CARRIERS, ids=[carrier.name for carrier in CARRIERS])
def test_the_packet_inside_is_found_and_every_layer_named(carrier: Carrier) -> None:
    for version in carrier.families:
        for seed in range(4):
            random = Random(seed)
            inner = ip(random, version) / tcp(random, b"inside")
            bare = decode_ip(bytes(inner))
            packet = decode(carrier.frame(inner), carrier.link)
            assert packet.layers == (*carrier.layers, *bare.layers)
            assert (packet.ip, packet.tcp) == (bare.ip, bare.tcp)
            assert packet.tcp is not None
            assert packet.tcp.checksum_ok
            assert (packet.vlans, packet.mpls, packet.problems) == (carrier.vlans, carrier.mpls, ())
            assert len(packet.outer) == sum(name in ("ip", "ipv6") for name in carrier.layers)


@pytest.mark.parametrize(
    "carrier", [c for c in CARRIERS if "gre" in c.layers or "udp" in c.layers], ids=lambda c: c.name
)
def test_the_headers_around_keep_their_own_facts(carrier: Carrier) -> None:
    packet = decode(
        carrier.frame(ipv4(Random(1), False) / TCP() if 4 in carrier.families else IPv6(dst="::1") / TCP()),
        carrier.link,
    )
    outer = packet.outer[0]
    assert (str(outer.src), str(outer.dst), outer.ttl) in (
        ("203.0.113.1", "203.0.113.2", 7),
        ("2001:db8::1", "2001:db8::2", 7),
    )


def test_the_link_layer_may_lie_about_the_version() -> None:
    for frame, link in ((ETHER + b"\x86\xdd" + PACKET, 1), (PACKET, 229), (b"\0\0\0\x1e" + PACKET, 0)):
        packet = decode(frame, link)
        assert packet.tcp is not None
        assert packet.ip is not None
        assert packet.ip.version == 4


NOTHING = {
    "ARP": (ETHER + b"\x08\x06" + bytes(46), 1),
    "an unknown EtherType": (ETHER + b"\x88\xb5" + PACKET, 1),
    "spanning tree": (ETHER + b"\0\x26\x42\x42\x03" + bytes(40), 1),
    "Novell's raw frames": (ETHER + b"\0\x26\xff\xff" + bytes(40), 1),
    "SNAP of an unknown protocol": (ETHER + b"\0\x26\xaa\xaa\x03\0\0\x0c\x20\0" + bytes(40), 1),
    "ARP behind a VLAN tag": (ETHER + b"\x81\0\0\5\x08\x06" + bytes(46), 1),
    "PPPoE discovery": (ETHER + b"\x88\x63" + bytes(46), 1),
    "a PPP control protocol": (b"\xff\x03\xc0\x21" + bytes(20), 9),
    "Van Jacobson's compression": (b"\xff\x03\0\x2d" + bytes(20), 9),
    "ARP in a cooked frame": (bytes(14) + b"\x08\x06" + bytes(28), 113),
    "CAN in a cooked frame": (bytes(14) + b"\0\x0c" + PACKET, 113),
    "MPLS with a control channel": (ETHER + b"\x88\x47\0\0\x11\xff" + b"\x10\0\0\x21" + PACKET, 1),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_carries_no_ip_is_no_problem_and_no_packet(name: str) -> None:
    packet = decode(*NOTHING[name])
    assert (packet.ip, packet.tcp, packet.icmp, packet.problems) == (None, None, None, ())


def test_an_llc_frame_ends_where_its_length_says() -> None:
    body = b"\xaa\xaa\x03\0\0\0\x08\0" + PACKET
    packet = decode(ETHER + struct.pack(">H", len(body) - 2) + body, 1)
    assert packet.tcp is not None
    assert packet.tcp.payload == b"insi"


def test_a_numbered_llc_frame_has_a_control_field_of_two_bytes() -> None:
    for control in (b"\0\0", b"\1\0"):
        body = b"\6\6" + control + PACKET
        packet = decode(ETHER + struct.pack(">H", len(body)) + body, 1)
        assert packet.tcp is not None
        assert packet.tcp.payload == b"inside"


@pytest.mark.parametrize(("value", "llc"), [(0x05FF, True), (0x0600, False)])
def test_an_ether_type_starts_where_lengths_end(value: int, llc: bool) -> None:
    packet = decode(ETHER + struct.pack(">H", value) + b"\6\6\3" + PACKET, 1)
    assert (packet.tcp is not None) is llc


def test_an_ip_version_that_does_not_exist_is_said() -> None:
    for nibble in (0, 1, 5, 7, 15):
        packet = decode(bytes([nibble << 4]) + PACKET[1:], 101)
        assert packet.ip is None
        assert packet.problems == (f"IP version {nibble}",)


def test_a_wire_length_below_what_was_captured_is_not_believed() -> None:
    for wire in (0, 1, len(PACKET) - 1, len(PACKET)):
        assert decode(PACKET, 101, wire) == decode(PACKET, 101)
