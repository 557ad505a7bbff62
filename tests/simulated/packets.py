"""An IP packet as a value: read from bytes, written to bytes, changed with `replace`."""

import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address

from captures.wire.checksum import ones_complement_sum

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_LEAST_V6 = 1280
_MOST_V4 = 576

# What Linux calls its reasons to refuse, and the type and code it sends for them in IPv4 and IPv6.
ERRORS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "net-unreachable": ((3, 0), (1, 0)), "host-unreachable": ((3, 1), (1, 3)), "protocol-unreachable": ((3, 2), (1, 4)),
    "port-unreachable": ((3, 3), (1, 4)), "net-prohibited": ((3, 9), (1, 1)), "host-prohibited": ((3, 10), (1, 1)),
    "admin-prohibited": ((3, 13), (1, 1)), "no-route": ((3, 0), (1, 0)), "address-unreachable": ((3, 1), (1, 3)),
    "policy-failed": ((3, 13), (1, 5)), "reject-route": ((3, 13), (1, 6)), "ttl-exceeded": ((11, 0), (3, 0)),
    "bad-header": ((12, 0), (4, 0)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP segment. `spoil` is what its checksum differs by from the right one, 0 when it is right."""

    sport: int
    dport: int
    seq: int
    ack: int = 0
    flags: int = 0
    window: int = 0
    options: bytes = b""
    payload: bytes = b""
    spoil: int = 0

    @property
    def end(self) -> int:
        """The sequence number behind it."""
        return (self.seq + len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)) % 2**32

    def has_option(self, kind: int) -> bool:
        return any(k == kind for k, _ in options_of(self.options))


@dataclass(frozen=True, slots=True)
class Icmp:
    """An ICMP error and what it quotes; `room` is how many bytes of that are quoted, 0 for as many as Linux does."""

    type: int
    code: int
    quoted: "Datagram"
    room: int = 0


@dataclass(frozen=True, slots=True)
class Other:
    """What is neither TCP nor an ICMP error, as bytes: an ICMP echo, or UDP."""

    protocol: int
    data: bytes

    @property
    def pings(self) -> bool:
        return (self.protocol, self.data[0]) in ((1, 8), (58, 128))


@dataclass(frozen=True, slots=True)
class Datagram:
    """One IP packet, of the family of its addresses. `ttl` is the hop limit in IPv6, `tos` the traffic class."""

    src: str
    dst: str
    body: Tcp | Icmp | Other
    ttl: int = 64
    tos: int = 0
    ident: int = 0
    df: bool = True
    label: int = 0
    options: bytes = b""  # in the IPv4 header

    @property
    def v6(self) -> bool:
        return ":" in self.src


@lru_cache(4096)
def packed(address: str) -> bytes:
    return ip_address(address).packed


def written(datagram: Datagram) -> bytes:
    """The packet's bytes, checksums right but for a spoiled one."""
    body, src, dst = datagram.body, packed(datagram.src), packed(datagram.dst)
    protocol = 6
    if isinstance(body, Tcp):
        data = struct.pack(
            ">HHIIBBHHH", body.sport, body.dport, body.seq, body.ack, (20 + len(body.options)) << 2, body.flags, body.window, 0, 0
        ) + body.options + body.payload  # fmt: skip
        total = ~ones_complement_sum(src + dst + struct.pack(">II", len(data), 6) + data) & 0xFFFF ^ body.spoil
        data = data[:16] + struct.pack(">H", total) + data[18:]
    elif isinstance(body, Other):
        data, protocol = body.data, body.protocol
    else:
        head = 48 if datagram.v6 else 28
        most = (_LEAST_V6 if datagram.v6 else _MOST_V4) - head
        quoted = written(body.quoted)[: body.room or most]
        data = struct.pack(">BBHI", body.type, body.code, 0, 0) + quoted
        protocol = 58 if datagram.v6 else 1
        pseudo = src + dst + struct.pack(">II", len(data), protocol) if datagram.v6 else b""
        data = data[:2] + struct.pack(">H", ~ones_complement_sum(pseudo + data) & 0xFFFF) + data[4:]
    if datagram.v6:
        word = 6 << 28 | datagram.tos << 20 | datagram.label
        return struct.pack(">IHBB", word, len(data), protocol, datagram.ttl) + src + dst + data
    fragment = 0x4000 if datagram.df else 0
    size = 20 + len(datagram.options)
    header = struct.pack(
        ">BBHHHBBH", 0x40 | size // 4, datagram.tos, size + len(data), datagram.ident, fragment, datagram.ttl, protocol, 0
    ) + src + dst + datagram.options  # fmt: skip
    return header[:10] + struct.pack(">H", ~ones_complement_sum(header) & 0xFFFF) + header[12:] + data


def read(data: bytes) -> Datagram:
    """The packet in these bytes, without extension headers."""
    v6 = data[0] >> 4 == 6
    start, protocol = (40, data[6]) if v6 else ((data[0] & 15) * 4, data[9])
    src, dst = (data[8:24], data[24:40]) if v6 else (data[12:16], data[16:20])
    segment = data[start:]
    if protocol != 6:
        return _headed(data, src, dst, Other(protocol, segment))
    sport, dport, seq, ack, offset, flags, window, total, _ = struct.unpack_from(">HHIIBBHHH", segment)
    cleared = segment[:16] + b"\0\0" + segment[18:]
    right = ~ones_complement_sum(src + dst + struct.pack(">II", len(segment), 6) + cleared) & 0xFFFF
    head = offset >> 4 << 2
    body = Tcp(sport, dport, seq, ack, flags, window, segment[20:head], segment[head:], total ^ right)
    return _headed(data, src, dst, body)


def _headed(data: bytes, src: bytes, dst: bytes, body: Tcp | Other) -> Datagram:
    src_text, dst_text = str(ip_address(src)), str(ip_address(dst))
    if data[0] >> 4 == 6:
        word = int.from_bytes(data[:4], "big")
        return Datagram(src_text, dst_text, body, data[7], word >> 20 & 0xFF, label=word & 0xFFFFF)
    ident, fragment = struct.unpack_from(">HH", data, 4)
    options = data[20 : (data[0] & 15) * 4]
    return Datagram(src_text, dst_text, body, data[8], data[1], ident, bool(fragment & 0x4000), options=options)


def options_of(options: bytes) -> list[tuple[int, bytes]]:
    """TCP options with their bytes, padding left out."""
    found, at = [], 0
    while at < len(options) and options[at] != 0:
        size = 1 if options[at] == 1 else options[at + 1]
        if options[at] != 1:
            found.append((options[at], options[at : at + size]))
        at += size
    return found


def error(kind: str, about: Datagram, src: str, ttl: int = 64, room: int = 0, ident: int = 0) -> Datagram:
    """The ICMP error of this kind about a packet, as Linux marks it. `ident` serves as the flow label in IPv6, `room`
    is how many bytes behind the IP header are quoted, 0 for many."""
    kind_type, code = ERRORS[kind][about.v6]
    room = room and room + (40 if about.v6 else 20 + len(about.options))
    body = Icmp(kind_type, code, about, room)
    if about.v6:
        return Datagram(src, about.src, body, ttl, label=ident)
    return Datagram(src, about.src, body, ttl, about.tos & 0x1E | 0xC0, ident, df=False)


def refusal(about: Datagram, ttl: int = 64) -> Datagram:
    """The RST that answers a TCP packet by RFC 9293 (3.5.2), bare: no marks, no window, no options."""
    tcp = about.body
    assert isinstance(tcp, Tcp)
    seq, ack, flags = (tcp.ack, 0, RST) if tcp.flags & ACK else (0, tcp.end, RST | ACK)
    body = Tcp(tcp.dport, tcp.sport, seq, ack, flags)
    return Datagram(about.dst, about.src, body, ttl)


def pong(about: Datagram, ttl: int) -> Datagram:
    """The answer to an echo request."""
    assert isinstance(about.body, Other)
    src, dst = about.dst, about.src
    data = bytes((129 if about.v6 else 0, 0, 0, 0)) + about.body.data[4:]
    pseudo = packed(src) + packed(dst) + struct.pack(">II", len(data), 58) if about.v6 else b""
    data = data[:2] + struct.pack(">H", ~ones_complement_sum(pseudo + data) & 0xFFFF) + data[4:]
    return Datagram(src, dst, Other(about.body.protocol, data), ttl, df=False)


def neighbours(asker: str, asked: str) -> tuple[bytes, bytes]:
    """The question for a neighbour's link address, and its answer (RFC 4861), between these IPv6 addresses."""
    out = []
    for src, dst, kind in ((asker, asked, 135), (asked, asker, 136)):
        data = struct.pack(">BBHI", kind, 0, 0, 0x60000000 if kind == 136 else 0) + packed(asked)
        pseudo = packed(src) + packed(dst) + struct.pack(">II", len(data), 58)
        data = data[:2] + struct.pack(">H", ~ones_complement_sum(pseudo + data) & 0xFFFF) + data[4:]
        out.append(struct.pack(">IHBB", 6 << 28, len(data), 58, 255) + packed(src) + packed(dst) + data)
    return out[0], out[1]


def recorded(datagram: Datagram, address: bytes) -> Datagram | None:
    """With this address of a hop in its record-route option, where it has one; None when there is room for a part of one only, which
    makes the packet wrong (RFC 791)."""
    kind, size, place = datagram.options[:3] if datagram.options else (0, 0, 0)
    if kind != 7 or place > size:
        return datagram
    if place + 3 > size:
        return None
    here = place - 1
    written = datagram.options[:2] + bytes((place + 4,)) + datagram.options[3:here] + address
    return replace(datagram, options=written + datagram.options[here + 4 :])


def lowered(datagram: Datagram) -> Datagram:
    """With a TTL one less."""
    return replace(datagram, ttl=datagram.ttl - 1)
