"""Packets of our own making: TCP segments as a real client sends them, with a chosen TTL, number and marks.

Written with struct, as importing scapy takes longer than a whole diagnosis; the tests hold them against scapy.
"""

import struct
from dataclasses import dataclass
from ipaddress import ip_address

from captures.packet import SYN
from captures.wire.checksum import ones_complement_sum
from netprobe.live.flow import DSCP

SIGNED = bytes.fromhex("020405b40101" + "1312" + "5a" * 16)  # MSS, and a TCP-MD5 signature of no key (RFC 2385)
WINDOW = 64_240
OPTIONS = bytes.fromhex("020405b40402080a000000010000000001030307")  # MSS 1460, SACK, timestamps, window scale 7
_TCP = 6
_LABEL = 0x6E705


@dataclass(frozen=True, slots=True)
class Ends:
    """One flow: its two addresses and ports."""

    source: str
    sport: int
    target: str
    dport: int


def segment(ends: Ends, seq: int, flags: int = SYN, options: bytes = OPTIONS) -> bytes:
    """A TCP segment without payload, its checksum right. `options` are a multiple of four bytes."""
    head = struct.pack(
        ">HHIIBBHHH", ends.sport, ends.dport, seq & 0xFFFFFFFF, 0, (20 + len(options)) // 4 << 4, flags, WINDOW, 0, 0
    )
    whole = head + options
    pseudo = ip_address(ends.source).packed + ip_address(ends.target).packed
    total = ones_complement_sum(pseudo + struct.pack(">II", len(whole), _TCP) + whole)
    return whole[:16] + struct.pack(">H", ~total & 0xFFFF) + whole[18:]


def damaged(whole: bytes) -> bytes:
    """The segment with a wrong checksum, which every TCP drops."""
    return whole[:16] + bytes((whole[16] ^ 0x5A, whole[17] ^ 0xA5)) + whole[18:]


def packet(ends: Ends, payload: bytes, ttl: int, ip_id: int = 0, tos: int = DSCP) -> bytes:
    """The segment in its IP packet; of IPv4 the kernel fills in length and checksum. IPv6 bears one flow label for a flow."""
    source, target = ip_address(ends.source).packed, ip_address(ends.target).packed
    if len(source) == 4:
        head = struct.pack(">BBHHHBBH", 0x45, tos, 20 + len(payload), ip_id, 0x4000, ttl, _TCP, 0)
        total = ones_complement_sum(head + source + target)
        return head[:10] + struct.pack(">H", ~total & 0xFFFF) + source + target + payload
    label = (_LABEL ^ ends.sport) & 0xFFFFF
    return struct.pack(">IHBB", 6 << 28 | tos << 20 | label, len(payload), _TCP, ttl) + source + target + payload
