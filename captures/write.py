"""pcapng, written: the blocks of an evidence file as bytes. Pure: whoever calls puts them where they belong.

Source: draft-ietf-opsawg-pcapng (sections 4.1 to 4.3, 4.5, 4.6; options of the enhanced packet block).
"""

import struct
from collections.abc import Mapping
from ipaddress import ip_address

_NANOSECONDS = 9


def section(comment: str = "", application: str = "") -> bytes:
    """A section header block, little-endian; the comment may be longer than one option holds and is then split."""
    data = comment.encode()
    comments = [_option(1, data[at : at + 65_532]) for at in range(0, len(data), 65_532)]
    options = b"".join((*comments, _option(4, application.encode())))
    return _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + options)


def interface(link: int, name: str = "", snaplen: int = 0) -> bytes:
    """An interface description block whose packets are timed in nanoseconds."""
    return _block(
        1, struct.pack("<HHI", link, 0, snaplen) + _option(2, name.encode()) + _option(9, bytes([_NANOSECONDS]))
    )


def packet(number: int, ts_ns: int, data: bytes, direction: int = 0, length: int | None = None) -> bytes:
    """An enhanced packet block: `number` of its interface, nanoseconds since the epoch, INBOUND, OUTBOUND or 0."""
    head = struct.pack(
        "<IIIII", number, ts_ns >> 32, ts_ns & 0xFFFFFFFF, len(data), len(data) if length is None else length
    )
    options = _option(2, struct.pack("<I", direction)) if direction else b""
    return _block(6, head + data + bytes(-len(data) % 4) + options)


def statistics(number: int, ts_ns: int, received: int, dropped: int, delivered: int | None = None) -> bytes:
    """An interface statistics block: what the interface's socket received and had to drop until then.

    `delivered` is how many packets of it stand in the file: a reader that finds as many knows that the file is whole, and
    that the interface was listened on until `ts_ns`.
    """
    head = struct.pack("<III", number, ts_ns >> 32, ts_ns & 0xFFFFFFFF)
    options = _option(4, struct.pack("<Q", received)) + _option(5, struct.pack("<Q", dropped))
    options += b"" if delivered is None else _option(8, struct.pack("<Q", delivered))
    return _block(5, head + options)


def names(known: Mapping[str, str]) -> bytes:
    """A name resolution block: the name of each address."""
    records = b""
    for address, name in known.items():
        packed = ip_address(address).packed
        value = packed + name.encode() + b"\0"
        records += struct.pack("<HH", 1 if len(packed) == 4 else 2, len(value)) + value + bytes(-len(value) % 4)
    return _block(4, records + bytes(4))


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4) if value else b""


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)
