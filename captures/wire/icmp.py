"""ICMP and ICMPv6: errors with the datagram they quote, parsed leniently, and their extensions.

Sources: RFC 792, RFC 1191 (MTU), RFC 4443, RFC 4884 (length field and extensions), RFC 4950 (MPLS label stack).
"""

from captures.packet import Draft, Icmp, decode_ip
from captures.wire.checksum import ones_complement_sum, transport_ok

_OLD_STYLE_QUOTE = 128  # before RFC 4884, extensions followed a quote of exactly this size


def icmp(draft: Draft) -> str | None:
    _message(draft, 4)
    return None


def icmpv6(draft: Draft) -> str | None:
    _message(draft, 6)
    return None


def _message(draft: Draft, version: int) -> None:
    data, at = draft.data, draft.at
    if draft.end - at < 4:
        draft.has(4, "ICMP header")
        return
    kind, code = data[at], data[at + 1]
    message = Icmp(version, kind, code)
    if draft.end - at < 8 or not (message.is_error or message.echo):
        draft.icmp = message
        return
    if message.echo:
        draft.icmp = Icmp(version, kind, code, ident=draft.word(4), sequence=draft.word(6))
        return
    whole = draft.end == draft.wire_end and draft.ip is not None and not draft.ip.more_fragments
    right: bool | None = None
    if whole and draft.ip and not draft.quoted:
        segment = data[at : draft.end]
        right = ones_complement_sum(segment) == 0xFFFF if version == 4 else transport_ok(draft.ip, segment, 58)
        if not right and draft.ip.source_routed:
            right = None  # computed for the final destination
    quote, extensions = _split(data[at : draft.end], version)
    mpls, others = _extensions(extensions)
    big = (version, kind, code) == (4, 3, 4) or (version, kind) == (6, 2)
    mtu = draft.word(6) if version == 4 else draft.word(4, 4)
    quoted = decode_ip(quote, quoted=True) if quote and not draft.quoted else None
    draft.icmp = Icmp(version, kind, code, quoted, mtu if big else None, mpls, others, right)


def _split(message: bytes, version: int) -> tuple[bytes, bytes]:
    """The quoted datagram and the extension structure behind it (RFC 4884 section 5, with its old-style fallback)."""
    unit, at = (4, 5) if version == 4 else (8, 4)
    length = message[at] * unit
    body = message[8:]
    # An IP header and the ports; a smaller length field is something else.
    shortest = 48 if version == 6 else max(5, body[0] & 15 if body else 0) * 4 + 8
    if (version, message[0]) in {(4, 3), (4, 11), (4, 12), (6, 1), (6, 3)} and shortest <= length <= len(body):
        return body[:length], body[length:]
    if len(body) > _OLD_STYLE_QUOTE and _is_extension(body[_OLD_STYLE_QUOTE:]):
        return body[:_OLD_STYLE_QUOTE], body[_OLD_STYLE_QUOTE:]
    return body, b""


def _is_extension(data: bytes) -> bool:
    """Version 2 and a right (or absent) checksum."""
    if len(data) < 8 or data[0] >> 4 != 2:
        return False
    return data[2:4] == b"\0\0" or ones_complement_sum(data) == 0xFFFF


def _extensions(data: bytes) -> tuple[tuple[tuple[int, int, int], ...], tuple[tuple[int, int], ...]]:
    """MPLS label stack entries (label, traffic class, TTL), and class and type of every other object."""
    if not _is_extension(data):
        return (), ()
    labels: list[tuple[int, int, int]] = []
    others: list[tuple[int, int]] = []
    at = 4
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        if size < 4 or at + size > len(data):
            break
        if data[at + 2] == 1 and data[at + 3] == 1:
            for entry_at in range(at + 4, at + size - 3, 4):
                entry = int.from_bytes(data[entry_at : entry_at + 4], "big")
                labels.append((entry >> 12, entry >> 9 & 7, entry & 0xFF))
        else:
            others.append((data[at + 2], data[at + 3]))
        at += size
    return tuple(labels), tuple(others)


STEPS = {"icmp": icmp, "icmpv6": icmpv6}
