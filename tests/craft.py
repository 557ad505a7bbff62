"""Captures, frames and packets made for tests: containers byte by byte, packets and their carriers by scapy.

Nothing here is read back by the code that it tests: lengths, checksums and numbers come from scapy or stand in the test.
"""

import gzip
import io
import lzma
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Any, NamedTuple

import lz4.frame
from hypothesis import HealthCheck, settings
from scapy.contrib.mpls import MPLS, ICMPExtension_MPLS
from scapy.layers.inet import (
    IP,
    TCP,
    UDP,
    ICMPExtension_InterfaceInformation,
    IPOption,
)
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.packet import Packet as Layer
from scapy.packet import Raw

from captures import native
from captures.formats import Reader, Window, open_capture

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def law(examples: int) -> settings:
    """Hypothesis settings for tests that give the same answer on every machine and every day."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


@contextmanager
def other_way() -> Iterator[None]:
    """Inside, numpy does what the compiled loops do outside, and they (where they were built) what it does."""
    compiled = native.library() is not None
    native.allow(not compiled)
    try:
        yield
    finally:
        native.allow(compiled)


# ------------------------------------------------------------------------------------------------ reading


class Frame(NamedTuple):
    """One frame as a reader delivered it, out of reach of the reader's buffer."""

    number: int
    ts_ns: int
    data: bytes
    wire_length: int
    interface: int
    link: int


def source(data: bytes, at_most: Callable[[], int] | None = None) -> Callable[[Any], int]:
    """A `read_into` over `data`; `at_most()` says how many bytes the next call may give."""
    stream = io.BytesIO(data)
    if at_most is None:
        return stream.readinto

    def read_into(target: Any) -> int:
        return stream.readinto(memoryview(target)[: at_most()])

    return read_into


def frames_of(window: Window) -> list[Frame]:
    columns = (window.number, window.ts_ns, window.start, window.caplen, window.origlen, window.interface, window.link)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Frame(number, ts_ns, window.buffer[start : start + size].tobytes(), wire, interface, link)
        for number, ts_ns, start, size, wire, interface, link in rows
    ]


def read(data: bytes, at_most: Callable[[], int] | None = None) -> tuple[Reader, list[Frame]]:
    """The reader of a capture, exhausted, and its frames."""
    reader = open_capture(source(data, at_most))
    return reader, [frame for window in reader for frame in frames_of(window)]


@cache
def window_bytes() -> int:
    """How much of a file the first window covers, within 16 bytes: what lies across that place is worth a test."""
    stream = io.BytesIO(pcap([b""] * 2**20))
    next(iter(open_capture(stream.readinto)))
    return stream.tell()


def filling(size: int, header: int) -> list[int]:
    """Lengths of frames that take `size` bytes of a file, `header` bytes around each included; none is very long."""
    count = size // 200_000 + 1
    sizes = [size // count // 4 * 4 - header] * (count - 1)
    return [*sizes, size - sum(sizes) - header * count]


# ------------------------------------------------------------------------------------------------ pcap

MICROSECONDS, NANOSECONDS, MODIFIED = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34


def pcap_header(magic: int = MICROSECONDS, endian: str = "<", link: int = 1, snaplen: int = 262_144) -> bytes:
    return struct.pack(endian + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link)


def pcap_record(
    data: bytes, ts_ns: int = 0, wire_length: int | None = None, magic: int = MICROSECONDS, endian: str = "<"
) -> bytes:
    """One record; Kuznetzov's modified header ends with interface index, protocol, packet type and a pad byte."""
    part = ts_ns % 10**9 // (1 if magic == NANOSECONDS else 1000)
    head = struct.pack(
        endian + "IIII", ts_ns // 10**9, part, len(data), len(data) if wire_length is None else wire_length
    )
    return head + (struct.pack(endian + "IHBB", 3, 0x0800, 4, 0) if magic == MODIFIED else b"") + data


def pcap(frames: Iterable[bytes], link: int = 1, magic: int = MICROSECONDS, endian: str = "<") -> bytes:
    """A capture of these frames, one a millisecond."""
    records = (pcap_record(data, n * 1_000_000, None, magic, endian) for n, data in enumerate(frames))
    return pcap_header(magic, endian, link) + b"".join(records)


# ------------------------------------------------------------------------------------------------ pcapng


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def block(kind: int, body: bytes, endian: str = "<") -> bytes:
    length = struct.pack(endian + "I", 12 + len(padded(body)))
    return struct.pack(endian + "I", kind) + length + padded(body) + length


def option(code: int, value: bytes, endian: str = "<") -> bytes:
    return struct.pack(endian + "HH", code, len(value)) + padded(value)


def section(endian: str = "<", options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(endian + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options, endian)


def interface(link: int = 1, snaplen: int = 0, options: bytes = b"", endian: str = "<") -> bytes:
    return block(1, struct.pack(endian + "HHI", link, 0, snaplen) + options, endian)


def enhanced(
    data: bytes, ticks: int = 0, index: int = 0, wire_length: int | None = None, options: bytes = b"", endian: str = "<"
) -> bytes:
    wire = len(data) if wire_length is None else wire_length
    head = struct.pack(endian + "IIIII", index, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire)
    return block(6, head + padded(data) + options, endian)


def simple(data: bytes, wire_length: int | None = None, endian: str = "<") -> bytes:
    return block(3, struct.pack(endian + "I", len(data) if wire_length is None else wire_length) + data, endian)


def obsolete(
    data: bytes, ticks: int = 0, index: int = 0, wire_length: int | None = None, drops: int = 7, endian: str = "<"
) -> bytes:
    wire = len(data) if wire_length is None else wire_length
    head = struct.pack(endian + "HHIIII", index, drops, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire)
    return block(2, head + data, endian)


def name_records(records: Iterable[tuple[bytes, bytes]], endian: str = "<") -> bytes:
    """A name resolution block of (packed address, names ended by zero bytes)."""
    body = b"".join(option(1 if len(a) == 4 else 2, a + names, endian) for a, names in records)
    return block(4, body + bytes(4), endian)


def statistics(dropped: int, index: int = 0, endian: str = "<", delivered: int | None = None, ticks: int = 0) -> bytes:
    options = option(4, struct.pack(endian + "Q", 1000), endian) + option(5, struct.pack(endian + "Q", dropped), endian)
    options += b"" if delivered is None else option(8, struct.pack(endian + "Q", delivered), endian)
    return block(5, struct.pack(endian + "III", index, ticks >> 32, ticks & 0xFFFFFFFF) + options + bytes(4), endian)


def custom(data: bytes = b"", kind: int = 0xBAD, endian: str = "<") -> bytes:
    return block(kind, struct.pack(endian + "I", 32473) + data, endian)


def journal(endian: str = "<") -> bytes:
    return block(9, b"__REALTIME_TIMESTAMP=1700000000000000\nMESSAGE=sshd[7]: listening\n", endian)


def pcapng(frames: Iterable[tuple[int, bytes, int]]) -> bytes:
    """A capture of (link type, data, length on the wire) with one interface for each link type."""
    links: dict[int, int] = {}
    packets = [
        enhanced(data, n * 1000, links.setdefault(link, len(links)), wire)
        for n, (link, data, wire) in enumerate(frames)
    ]
    return section() + b"".join(map(interface, links)) + b"".join(packets)


# ------------------------------------------------------------------------------------------------ compression

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zstd": zstd.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "lz4": lz4.frame.compress,
}


# ------------------------------------------------------------------------------------------------ packets


def some_bytes(random: Random, most: int) -> bytes:
    return random.randbytes(random.randint(0, most))


def address(random: Random, version: int) -> str:
    packed = random.getrandbits(32 if version == 4 else 128)
    return str(IPv4Address(packed) if version == 4 else IPv6Address(packed))


def tcp_options(random: Random, most: int = 40) -> list[tuple[Any, Any]]:
    """Options of every registered kind, and of none, that fit into `most` bytes."""
    sizes = {
        "MSS": 4,
        "WScale": 3,
        "SAckOK": 2,
        "SAck": 18,
        "Timestamp": 10,
        "NOP": 1,
        "MD5": 18,
        "TFO": 10,
        30: 14,
        254: 6,
    }
    out: list[tuple[Any, Any]] = []
    for kind in random.sample(list(sizes), random.randint(0, 6)):
        if sizes[kind] > most:
            continue
        most -= sizes[kind]
        number = random.getrandbits
        values: dict[Any, Any] = {
            "MSS": number(16), "WScale": number(4), "SAckOK": b"", "SAck": tuple(number(32) for _ in range(4)),
            "Timestamp": (number(32), number(32)), "NOP": None, "MD5": (random.randbytes(16),), "TFO": (number(32), number(32)),
            30: random.randbytes(12), 254: random.randbytes(4),
        }  # fmt: skip
        out.append((kind, values[kind]))
    return out


def tcp(random: Random, payload: bytes | None = None) -> Layer:
    header = TCP(
        sport=random.getrandbits(16), dport=random.choice([22, 80, random.getrandbits(16)]), seq=random.getrandbits(32),
        ack=random.getrandbits(32), flags=random.getrandbits(8), window=random.getrandbits(16), urgptr=random.getrandbits(16),
        options=tcp_options(random),
    )  # fmt: skip
    return header / Raw(some_bytes(random, 40) if payload is None else payload)


def ipv4(random: Random, options: bool | None = None, **fields: Any) -> Layer:
    """A header with random fields; `options` None leaves that to chance too."""
    with_options = random.random() < 0.3 if options is None else options
    header = IP(
        src=address(random, 4), dst=address(random, 4), ttl=random.getrandbits(8), tos=random.getrandbits(8),
        id=random.getrandbits(16), flags=random.choice(["", "DF"]),
        options=[IPOption(copy_flag=1, optclass=0, option=20, value=b"\0\0")] * random.randint(1, 10) if with_options else [],
    )  # fmt: skip
    for name, value in fields.items():
        setattr(header, name, value)
    return header


def ipv6(random: Random, extensions: bool | None = None, **fields: Any) -> Layer:
    header = IPv6(
        src=address(random, 6), dst=address(random, 6), hlim=random.getrandbits(8), tc=random.getrandbits(8),
        fl=random.getrandbits(20),
    )  # fmt: skip
    for name, value in fields.items():
        setattr(header, name, value)
    if random.random() < 0.3 if extensions is None else extensions:
        hops = [address(random, 6) for _ in range(random.randint(0, 2))]
        for extension in (
            IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(random.choice([4, 12])))]),
            IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(random.choice([4, 20])))]),
            IPv6ExtHdrRouting(addresses=hops, segleft=0),
            IPv6ExtHdrFragment(offset=0, m=0, id=random.getrandbits(32)),
        ):
            if random.random() < 0.6:
                header = header / extension
    return header


def ip(random: Random, version: int) -> Layer:
    return ipv4(random) if version == 4 else ipv6(random)


def quote(random: Random, version: int) -> bytes:
    """What an error quotes: of a TCP packet the IP header and 8 bytes, all, or something between."""
    segment, header = tcp(random), ip(random, version)
    whole = bytes(header / segment)
    least = len(whole) - len(bytes(segment)) + 8
    return whole[: random.choice([least, len(whole), random.randint(least, len(whole))])]


def structure(*objects: bytes | Layer) -> bytes:
    """An RFC 4884 extension structure around these objects, checksum right."""
    return summed(b"\x20\0\0\0" + b"".join(map(bytes, objects)))


def extensions(random: Random) -> bytes:
    """A structure with an MPLS label stack, an interface, or both."""
    stack = [
        MPLS(label=random.getrandbits(20), cos=random.getrandbits(3), s=0, ttl=random.getrandbits(8)) for _ in range(2)
    ]
    stack[-1].s = 1
    objects = [
        ICMPExtension_MPLS(stack=stack),
        ICMPExtension_InterfaceInformation(classtype=0, has_ifindex=1, ifindex=random.getrandbits(32)),
    ]
    return structure(*random.sample(objects, random.randint(1, 2)))


def icmp_error(random: Random, version: int, quoted: bytes | None = None, extended: bool | None = None) -> Layer:
    """An error with a plain quote, or with a padded one and extensions behind it (RFC 4884)."""
    body = quote(random, version) if quoted is None else quoted
    tail, words = b"", 0
    if random.random() < 0.3 if extended is None else extended:
        unit = 4 if version == 4 else 8
        body = body[: 255 * unit]
        body += bytes(max(128 - len(body), -len(body) % unit))
        words = random.choice([0, len(body) // unit]) if len(body) == 128 else len(body) // unit
        tail = extensions(random)
    if version == 4:
        kind, code = random.choice([(3, 1), (3, 3), (3, 4), (3, 13), (11, 0), (5, 1), (12, 0), (4, 0)])
        words = words if kind in (3, 11, 12) else 0
        rest = struct.pack(
            ">BBH", random.getrandbits(8) if kind == 12 else 0, words, random.getrandbits(16) if code == 4 else 0
        )
        if kind == 5:
            rest = random.randbytes(4)
        return ipv4(random, proto=1) / Raw(summed(bytes([kind, code, 0, 0]) + rest + body + tail))
    layer = random.choice([
        ICMPv6DestUnreach(code=random.randint(0, 6), length=words), ICMPv6TimeExceeded(code=0, length=words),
        ICMPv6PacketTooBig(mtu=random.getrandbits(32)), ICMPv6ParamProblem(code=1, ptr=random.getrandbits(32)),
    ])  # fmt: skip
    return ipv6(random) / layer / Raw(body + tail)


def summed(message: bytes) -> bytes:
    """An ICMPv4 message with its checksum filled in, word by word."""
    data = message + bytes(len(message) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + struct.pack(">H", total ^ 0xFFFF) + message[4:]


def innermost(random: Random, version: int) -> Layer:
    """One packet of any kind that a frame may end in."""
    head: Callable[..., Layer] = ipv4 if version == 4 else ipv6
    ping = b"\x08\0\xf7\xff\0\0\0\0" if version == 4 else b"\x80\0\0\0\0\0\0\0"
    kinds: dict[str, Callable[[], Layer]] = {
        "tcp": lambda: head(random) / tcp(random),
        "tcp without payload": lambda: head(random) / tcp(random, b""),
        "icmp error": lambda: icmp_error(random, version),
        "first fragment": lambda: _fragment(random, version, 0, True) / tcp(random),
        "later fragment": lambda: _fragment(random, version, random.randint(1, 8189), random.random() < 0.5)
        / Raw(random.randbytes(24)),
        "udp": lambda: head(random) / UDP(sport=53, dport=random.getrandbits(16)) / Raw(some_bytes(random, 30)),
        "ping": lambda: _carrying(head(random), 1 if version == 4 else 58) / Raw(ping),
        "unknown protocol": lambda: _carrying(head(random), random.choice([2, 50, 89, 132, 255])) / Raw(some_bytes(random, 30)),
    }  # fmt: skip
    return random.choice([kinds["tcp"], kinds["icmp error"], *kinds.values()])()


def _fragment(random: Random, version: int, offset: int, more: bool) -> Layer:
    if version == 4:
        return ipv4(random, flags="MF" if more else "", frag=offset, proto=6)
    return ipv6(random, False) / IPv6ExtHdrFragment(offset=offset, m=int(more), id=random.getrandbits(32), nh=6)


def _carrying(header: Layer, protocol: int) -> Layer:
    """The header with the number of its upper layer set, in the last extension header if there are some."""
    last = header.lastlayer()
    setattr(last, "proto" if isinstance(last, IP) else "nh", protocol)
    return header


def damaged(random: Random, data: bytes) -> tuple[bytes, int]:
    """The frame with some bytes changed, perhaps cut, and a length on the wire that may be a lie."""
    changed = bytearray(data)
    for _ in range(random.choice([0, 0, 1, 1, 2, 5])):
        if changed:
            at = random.randrange(min(len(changed), 120))
            changed[at] = random.choice([0, 1, 0xFF, random.getrandbits(8), changed[at] ^ 1 << random.randrange(8)])
    cut = len(changed) if random.random() < 0.6 else random.randint(0, len(changed))
    wire = random.choice([len(data), len(data), cut, cut + 4, 0, 1514])
    return bytes(changed[:cut]), wire
