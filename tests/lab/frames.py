"""What was on the wire of a lab, read without any of netprobe's own decoding."""

import struct
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """One TCP segment or ICMP message as a node saw it. `kind` is "tcp" or "icmp"; `quoted` what an ICMP error is about."""

    node: str
    out: bool
    time: float
    source: str
    target: str
    ttl: int
    tos: int
    ident: int
    kind: str
    sport: int = 0
    dport: int = 0
    flags: str = ""
    seq: int = 0
    window: int = 0
    options: bytes = b""
    payload: bytes = b""
    icmp: tuple[int, int] = (0, 0)
    quoted: "Seen | None" = None
    sound: bool = True


def read(node: str, path: Path) -> list[Seen]:
    """The TCP and ICMP errors in a pcapng file of the lab's recorder, without those on the loopback interface."""
    data = path.read_bytes()
    found, names, offset = [], [], 0
    while offset + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        body = data[offset + 8 : offset + length - 4]
        if kind == 1:
            size = struct.unpack_from("<H", body, 10)[0]
            names.append(body[12 : 12 + size].decode())
        elif kind == 6:
            interface, high, low, size = struct.unpack_from("<IIII", body)
            after = 20 + size + -size % 4
            out = struct.unpack_from("<I", body, after + 4)[0] == 2
            frame = body[20 : 20 + size]
            if names[interface] != "lo" and frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
                one = _packet(node, out, (high << 32 | low) / 1e9, frame[14:])
                found += [one] if one else []
        offset += length
    return found


def _packet(node: str, out: bool, time: float, data: bytes, whole: bool = True) -> Seen | None:
    if data[0] >> 4 == 4:
        size, length = (data[0] & 15) * 4, struct.unpack_from("!H", data, 2)[0]
        protocol, ttl, tos, ident = data[9], data[8], data[1], struct.unpack_from("!H", data, 4)[0]
        source, target = data[12:16], data[16:20]
        sound = _sum(data[:size]) == 0
    else:
        size, length = 40, 40 + struct.unpack_from("!H", data, 4)[0]
        protocol, ttl, tos, ident = data[6], data[7], struct.unpack_from("!H", data, 0)[0] >> 4 & 255, 0
        source, target = data[8:24], data[24:40]
        sound = True
    payload = data[size:length]
    pseudo = source + target + struct.pack("!II", len(payload), protocol)
    head = (node, out, time, str(ip_address(source)), str(ip_address(target)), ttl, tos, ident)
    if protocol == 6 and len(payload) >= 8:
        sport, dport, seq = struct.unpack_from("!HHI", payload)
        if len(payload) < 20:
            return Seen(*head, "tcp", sport, dport, seq=seq)
        start = (payload[12] >> 4) * 4
        flags = "".join(letter for bit, letter in zip((2, 16, 4, 1), "SARF", strict=True) if payload[13] & bit)
        window = struct.unpack_from("!H", payload, 14)[0]
        sound = sound and (not whole or _sum(pseudo + payload) == 0)
        return Seen(
            *head, "tcp", sport, dport, flags, seq, window, payload[20:start], payload[start:], sound=sound,
        )  # fmt: skip
    error = (protocol == 1 and payload[0] in (3, 11)) or (protocol == 58 and payload[0] in (1, 2, 3))
    if error:
        quoted = _packet(node, out, time, payload[8:], whole=False)
        sound = sound and _sum((pseudo if protocol == 58 else b"") + payload) == 0
        return Seen(*head, "icmp", icmp=(payload[0], payload[1]), quoted=quoted, sound=sound)
    return None


def _sum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
