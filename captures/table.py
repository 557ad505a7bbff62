"""`PacketTable`: one row per TCP segment or ICMP error, one column per header field; and the row of a decoded packet."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from captures import native
from captures.formats.window import Ints
from captures.packet import Packet

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(slots=True)
class PacketTable:
    """Columns of equal length, in file order. An ICMP error's row bears the flow and sequence number of the TCP packet
    that it quotes, `icmp` set, and its own sender in `sender_hi`/`sender_lo`; `ttl` is always that of the row's own frame.

    Addresses are two 64-bit halves; an IPv4 address is the low half with high half 0 and `family` 4. `length` is the
    payload on the wire in bytes, `payload_start` where the captured `payload_caplen` bytes of it lie in the window's
    buffer. `start`, `caplen` and `at` locate the frame in the buffer and in the stream.
    """

    number: Ints
    ts_ns: Ints
    start: Ints
    at: Ints
    caplen: Ints
    origlen: Ints
    link: Ints
    interface: Ints
    family: Array
    src_hi: Array
    src_lo: Array
    dst_hi: Array
    dst_lo: Array
    sport: Array
    dport: Array
    seq: Array
    ack: Array
    flags: Array
    window: Array
    length: Ints
    payload_start: Ints
    payload_caplen: Ints
    ttl: Array
    tos: Array
    ip_id: Array
    icmp: Array
    icmp_type: Array
    icmp_code: Array
    quoted_ttl: Array
    sender_hi: Array
    sender_lo: Array

    def __len__(self) -> int:
        return len(self.number)

    def take(self, rows: Array | slice) -> "PacketTable":
        """The chosen rows (indices, mask or slice)."""
        return PacketTable(*(getattr(self, name)[rows] for name in COLUMNS))

    def struct(self) -> Ints:
        """The columns as compiled loops ask for them: where each begins, and how many bytes lie from row to row."""
        columns = [getattr(self, name) for name in COLUMNS]
        return native.struct(entry for column in columns for entry in (column, column.strides[0]))


def joined(tables: list[PacketTable]) -> PacketTable:
    """Several tables one behind the other; offsets into the buffer of an earlier window mean nothing any more."""
    if len(tables) == 1:
        return tables[0]
    return PacketTable(*(np.concatenate([getattr(table, name) for table in tables]) for name in COLUMNS))


COLUMNS = tuple(field.name for field in fields(PacketTable))
FRAME_COLUMNS = COLUMNS[:8]
TYPES: dict[str, Any] = {
    "family": np.uint8, "src_hi": np.uint64, "src_lo": np.uint64, "dst_hi": np.uint64, "dst_lo": np.uint64,
    "sport": np.uint16, "dport": np.uint16, "seq": np.uint32, "ack": np.uint32, "flags": np.uint8, "window": np.uint16,
    "length": np.int64, "payload_start": np.int64, "payload_caplen": np.int64, "ttl": np.uint8, "tos": np.uint8,
    "ip_id": np.uint32, "icmp": np.bool_, "icmp_type": np.uint8, "icmp_code": np.uint8, "quoted_ttl": np.uint8,
    "sender_hi": np.uint64, "sender_lo": np.uint64,
}  # fmt: skip


def row_of(packet: Packet, start: int) -> dict[str, Any] | None:
    """The table row of a decoded packet whose frame begins at `start`; None when it is neither TCP nor an error that quotes it.

    This is what the scan must agree with: the law is in tests/captures/test_table.py.
    """
    icmp = packet.icmp
    quoted = icmp.quoted if icmp is not None else None
    flow = quoted if quoted is not None else packet
    if packet.ip is None or flow.ip is None or flow.tcp is None:
        return None
    tcp = flow.tcp
    row: dict[str, Any] = dict.fromkeys(TYPES, 0)
    row |= {"family": flow.ip.version, "sport": tcp.sport, "dport": tcp.dport, "seq": tcp.seq}
    row |= {"ttl": packet.ip.ttl, "tos": packet.ip.tos, "ip_id": packet.ip.ip_id or 0}
    row["src_hi"], row["src_lo"] = halves(flow.ip.src.packed)
    row["dst_hi"], row["dst_lo"] = halves(flow.ip.dst.packed)
    if icmp is not None:
        row |= {"icmp": True, "icmp_type": icmp.type, "icmp_code": icmp.code, "quoted_ttl": flow.ip.ttl}
        row["sender_hi"], row["sender_lo"] = halves(packet.ip.src.packed)
        return row
    row |= {"ack": tcp.ack, "flags": tcp.flags, "window": tcp.window, "length": tcp.length}
    row |= {"payload_start": start + tcp.payload_at, "payload_caplen": len(tcp.payload)}
    return row


def halves(packed: bytes) -> tuple[int, int]:
    """A 4- or 16-byte address as the two numbers of its columns."""
    number = int.from_bytes(packed, "big")
    return number >> 64, number & 0xFFFFFFFFFFFFFFFF
