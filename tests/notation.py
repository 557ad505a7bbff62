"""A packet notation for tests that reads like tcpdump: one line a packet, times relative to the line before.

    0      > S 1000
    +.020  < S. 5000 ack 1001 ttl 52
    +.001  > . 1001 ack 5001
    +.100  < P. 5001 ack 1001 "SSH-2.0-x\\r\\n"
    +.010  < icmp 3/13 from 203.0.113.1 quotes S 1000 quoted-ttl 62

`>` is sent by the client 192.0.2.1:40000, `<` by the server 198.51.100.1:22; `port N` before a line's flags changes the
server's port, `client-port N` the client's; `sack A-B` adds a selective acknowledgement, `mss N` that option.
`ping 7/3 ttl 5` is an ICMP echo with that identifier and number, a request when the client sends it; errors may quote it, or `udp`.
With `v6=True` the same script runs between IPv6 addresses.
"""

import shlex
import struct
from ipaddress import ip_address
from pathlib import Path

CLIENT4, SERVER4 = "192.0.2.1", "198.51.100.1"
CLIENT6, SERVER6 = "2001:db8::1", "2001:db8:1::1"
_FLAGS = {"S": 2, "F": 1, "R": 4, "P": 8, ".": 16, "E": 64, "W": 128}


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(src: str, dst: str, protocol: int, payload: bytes, ttl: int = 64, tos: int = 0, ip_id: int = 0) -> bytes:
    """An IPv4 or IPv6 packet with right header checksum."""
    a, b = ip_address(src).packed, ip_address(dst).packed
    if len(a) == 4:
        head = struct.pack(">BBHHHBBH", 0x45, tos, 20 + len(payload), ip_id, 0x4000, ttl, protocol, 0) + a + b
        return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload
    return struct.pack(">IHBB", 6 << 28 | tos << 20, len(payload), protocol, ttl) + a + b + payload


def tcp_packet(
    src: str, dst: str, sport: int, dport: int, seq: int, ack: int, flags: int, payload: bytes = b"", ttl: int = 64,
    window: int = 64240, tos: int = 0, options: bytes = b"", ip_id: int = 0,
) -> bytes:  # fmt: skip
    """A TCP segment in its IP packet, checksum right."""
    a, b = ip_address(src).packed, ip_address(dst).packed
    offset = (20 + len(options)) // 4 << 4
    head = struct.pack(">HHIIBBHHH", sport, dport, seq % 2**32, ack % 2**32, offset, flags, window, 0, 0) + options
    pseudo = (
        a
        + b
        + (
            struct.pack(">BBH", 0, 6, len(head) + len(payload))
            if len(a) == 4
            else struct.pack(">II", len(head) + len(payload), 6)
        )
    )
    total = checksum(pseudo + head + payload)
    return ip_packet(src, dst, 6, head[:16] + struct.pack(">H", total) + head[18:] + payload, ttl, tos, ip_id)


def icmp_error(src: str, dst: str, kind: int, code: int, quoted: bytes, ttl: int = 64) -> bytes:
    """An ICMP or ICMPv6 error that quotes the given packet."""
    body = struct.pack(">BBHI", kind, code, 0, 0) + quoted
    if ip_address(src).version == 4:
        return ip_packet(src, dst, 1, body[:2] + struct.pack(">H", checksum(body)) + body[4:], ttl, 0xC0)
    pseudo = ip_address(src).packed + ip_address(dst).packed + struct.pack(">II", len(body), 58)
    return ip_packet(src, dst, 58, body[:2] + struct.pack(">H", checksum(pseudo + body)) + body[4:], ttl)


def packets(script: str, v6: bool = False) -> list[tuple[int, bytes]]:
    """(nanoseconds, IP packet) for every line of a script."""
    client, server = (CLIENT6, SERVER6) if v6 else (CLIENT4, SERVER4)
    out: list[tuple[int, bytes]] = []
    now = 1_700_000_000_000_000_000
    for line in script.strip().splitlines():
        words = shlex.split(line.split("#")[0], posix=True)
        if not words:
            continue
        now += round(float(words[0].lstrip("+")) * 1e9)
        sent = words[1] == ">"
        ports = {"port": 22, "client-port": 40000}
        rest = words[2:]
        while rest and rest[0] in ports:
            ports[rest[0]], rest = int(rest[1]), rest[2:]
        ends = (client, server, ports["client-port"], ports["port"])
        mine = ends if sent else (server, client, ports["port"], ports["client-port"])
        out.append((now, _icmp(rest, ends, sent) if rest[0] == "icmp" else _sent(rest, mine)))
    return out


def _sent(words: list[str], ends: tuple[str, str, int, int], ttl: int = 64) -> bytes:
    """What a client or server sends, or an error quotes."""
    if words[0] not in ("ping", "udp"):
        return _tcp(words, ends, ttl)
    src, dst, sport, dport = ends
    ttl = int(words[words.index("ttl") + 1]) if "ttl" in words else ttl
    if words[0] == "udp":
        return ip_packet(src, dst, 17, struct.pack(">HHHH", sport, dport, 8, 0), ttl)
    ident, number = (int(n) for n in words[1].split("/"))
    asks = src in (CLIENT4, CLIENT6)
    v6 = ip_address(src).version == 6
    kind = (128 if asks else 129) if v6 else (8 if asks else 0)
    return ip_packet(src, dst, 58 if v6 else 1, struct.pack(">BBHHH", kind, 0, 0, ident, number), ttl)


def _tcp(words: list[str], ends: tuple[str, str, int, int], ttl: int = 64) -> bytes:
    flags = sum(_FLAGS[letter] for letter in words[0] if letter in _FLAGS)
    seq, at = (int(words[1]), 2) if len(words) > 1 and words[1].lstrip("-").isdigit() else (0, 1)
    values = {"ack": 0, "ttl": ttl, "win": 64240, "tos": 0, "id": 0}
    payload = options = b""
    while at < len(words):
        if words[at] in values:
            values[words[at]] = int(words[at + 1], 0)
            at += 2
        elif words[at] == "sack":
            edges = [int(edge) for edge in words[at + 1].split("-")]
            options, at = struct.pack(">BBBBII", 1, 1, 5, 10, *edges), at + 2
        elif words[at] == "mss":
            options, at = struct.pack(">BBH", 2, 4, int(words[at + 1])), at + 2
        elif words[at] == "len":
            payload = b"\x99" * int(words[at + 1])
            at += 2
        else:
            payload = words[at].encode().decode("unicode_escape").encode("latin-1")
            at += 1
    src, dst, sport, dport = ends
    return tcp_packet(
        src,
        dst,
        sport,
        dport,
        seq,
        values["ack"],
        flags,
        payload,
        values["ttl"],
        values["win"],
        values["tos"],
        options=options,
        ip_id=values["id"],
    )


def _icmp(words: list[str], ends: tuple[str, str, int, int], sent: bool) -> bytes:
    kind, code = (int(n) for n in words[1].split("/"))
    source = words[words.index("from") + 1]
    quoted_ttl = int(words[words.index("quoted-ttl") + 1]) if "quoted-ttl" in words else 64
    ttl = int(words[words.index("ttl") + 1]) if "ttl" in words else 64
    quote = words[words.index("quotes") + 1 :]
    quote = quote[: quote.index("quoted-ttl")] if "quoted-ttl" in quote else quote
    return icmp_error(source, ends[0], kind, code, _sent(quote, ends, quoted_ttl), ttl)


def write_pcap(path: Path, frames: list[tuple[int, bytes]], link: int = 101) -> Path:
    """A nanosecond pcap of raw IP packets."""
    body = b"".join(struct.pack("<IIII", ts // 10**9, ts % 10**9, len(data), len(data)) + data for ts, data in frames)
    path.write_bytes(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link) + body)
    return path
