"""The Internet checksum (RFC 1071), over the pseudo header where the protocol has one."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captures.packet import Ip


def ones_complement_sum(data: bytes) -> int:
    """The folded 16-bit one's complement sum; 0xFFFF over data that contains its own right checksum.

    2**16 is 1 modulo 0xFFFF, so the sum of the 16-bit words is the whole number modulo 0xFFFF.
    """
    if len(data) % 2:
        data += b"\0"
    number = int.from_bytes(data, "big")
    return number % 0xFFFF or (0xFFFF if number else 0)


def transport_ok(ip: "Ip", segment: bytes, protocol: int) -> bool:
    """Whether a whole TCP, UDP or ICMPv6 segment's checksum is right."""
    pseudo = ip.src.packed + ip.dst.packed + len(segment).to_bytes(4, "big") + protocol.to_bytes(4, "big")
    return ones_complement_sum(pseudo + segment) == 0xFFFF
