"""Community ID: one id per flow that Zeek, Suricata and others give too, to join with their logs.

Source: Community ID flow hashing specification, version 1 (github.com/corelight/community-id-spec).
"""

from base64 import b64encode
from hashlib import sha1

from captures.packet import Address

_TCP = 6


def community_id(source: Address, sport: int, destination: Address, dport: int, seed: int = 0) -> str:
    """The version 1 id of a TCP flow; the same for both directions."""
    ends = sorted([(source.packed, sport), (destination.packed, dport)])
    (low, low_port), (high, high_port) = ends
    data = (
        seed.to_bytes(2, "big")
        + low
        + high
        + bytes([_TCP, 0])
        + low_port.to_bytes(2, "big")
        + high_port.to_bytes(2, "big")
    )
    return "1:" + b64encode(sha1(data, usedforsecurity=False).digest()).decode()
