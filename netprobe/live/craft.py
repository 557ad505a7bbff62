"""Packets of our own making: TCP segments as a real client sends them, with a chosen TTL, number and marks.

Written with struct, as importing scapy takes longer than a whole diagnosis; the tests hold them against scapy.
"""

import struct
from ipaddress import ip_address
from typing import NamedTuple

from captures.flags import SYN
from captures.wire.checksum import ones_complement_sum
from netprobe.live.flow import DSCP

SIGNED = bytes.fromhex("020405b40101" + "1312" + "5a" * 16)  # MSS, and a TCP-MD5 signature of no key (RFC 2385)
WINDOW = 64_240
OPTIONS = bytes.fromhex("020405b40402080a000000010000000001030307")  # MSS 1460, SACK, timestamps, window scale 7
_RECORD_ROUTE, _FIRST_PLACE, _MOST_ROOM = 7, 4, 9
_ICMP, _TCP, _UDP, _ICMPV6 = 1, 6, 17, 58
_LABEL = 0x6E705


class Ends(NamedTuple):
    """One flow: its two addresses and ports."""

    source: str
    sport: int
    target: str
    dport: int


def segment(
    ends: Ends, seq: int, flags: int = SYN, options: bytes = OPTIONS, ack: int = 0, window: int = WINDOW, payload: bytes = b""
) -> bytes:  # fmt: skip
    """A TCP segment, its checksum right. `options` are a multiple of four bytes."""
    offset = (20 + len(options)) // 4 << 4
    head = struct.pack(
        ">HHIIBBHHH", ends.sport, ends.dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, flags, window, 0, 0
    )
    whole = head + options + payload
    total = ones_complement_sum(_pseudo(ends, len(whole), _TCP) + whole)
    return whole[:16] + struct.pack(">H", ~total & 0xFFFF) + whole[18:]


def damaged(whole: bytes) -> bytes:
    """The segment with a wrong checksum, which every TCP drops."""
    return whole[:16] + bytes((whole[16] ^ 0x5A, whole[17] ^ 0xA5)) + whole[18:]


def echo(ends: Ends, sequence: int) -> tuple[bytes, int]:
    """An ICMP echo request whose identifier is the flow's source port, and its protocol number. All of one flow have the same
    checksum, which balancers may look at."""
    v6 = ":" in ends.source
    body = struct.pack(">HHH", ends.sport, sequence, 0xFFFF - sequence) + bytes(26)
    head, pseudo = (128, _pseudo(ends, 4 + len(body), _ICMPV6)) if v6 else (8, b"")
    total = ones_complement_sum(pseudo + struct.pack(">BBH", head, 0, 0) + body)
    return struct.pack(">BBH", head, 0, ~total & 0xFFFF) + body, _ICMPV6 if v6 else _ICMP


def datagram(ends: Ends) -> tuple[bytes, int]:
    """An empty UDP datagram, and its protocol number."""
    head = struct.pack(">HHH", ends.sport, ends.dport, 8)
    total = ones_complement_sum(_pseudo(ends, 8, _UDP) + head)
    return head + struct.pack(">H", ~total & 0xFFFF or 0xFFFF), _UDP


def _pseudo(ends: Ends, length: int, protocol: int) -> bytes:
    return ip_address(ends.source).packed + ip_address(ends.target).packed + struct.pack(">II", length, protocol)


def recorded(room: int, spoilt: bool) -> bytes:
    """An IPv4 record-route option (RFC 791) for so many addresses, at most nine; `spoilt`: with a part of a place behind them, which
    whoever has to write into it finds wrong, else already full, so that nobody does."""
    size = 3 + 4 * min(room, _MOST_ROOM) + spoilt
    option = bytes((_RECORD_ROUTE, size, _FIRST_PLACE if spoilt else size + 1)) + bytes(size - 3)
    return option + bytes(-size % 4)


def packet(
    ends: Ends, payload: bytes, ttl: int, ip_id: int = 0, tos: int = DSCP, protocol: int = _TCP, label: int = 0,
    options: bytes = b"",
) -> bytes:  # fmt: skip
    """The segment in its IP packet; of IPv4 the kernel fills in length and checksum, and `options` stand in its header. IPv6 bears
    one flow label for a flow, of our own where `label` is 0."""
    source, target = ip_address(ends.source).packed, ip_address(ends.target).packed
    if len(source) == 4:
        size = 20 + len(options)
        head = struct.pack(">BBHHHBBH", 0x40 | size // 4, tos, size + len(payload), ip_id, 0x4000, ttl, protocol, 0)
        behind = source + target + options
        total = ones_complement_sum(head + behind)
        return head[:10] + struct.pack(">H", ~total & 0xFFFF) + behind + payload
    label = label or (_LABEL ^ ends.sport) & 0xFFFFF
    return struct.pack(">IHBB", 6 << 28 | tos << 20 | label, len(payload), protocol, ttl) + source + target + payload
