"""Classic pcap: both byte orders, microseconds and nanoseconds, and Kuznetzov's modified record header.

Source: draft-ietf-opsawg-pcap; wiretap/libpcap.c for the modified variant (24-byte record headers).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from captures import native
from captures.formats.stream import ByteStream
from captures.formats.window import MANY_FRAMES, MAX_FRAME, Interface, Ints, Reader, Window, constant

# magic as a number -> (units per second, record header size)
_MAGIC = {0xA1B2C3D4: (1_000_000, 16), 0xA1B23C4D: (1_000_000_000, 16), 0xA1B2CD34: (1_000_000, 24)}


def reader(head: bytes, stream: ByteStream) -> Reader | None:
    """A reader when `head` is a pcap file header, else None."""
    for endian in "<>":
        if len(head) >= 4 and (found := _MAGIC.get(struct.unpack(endian + "I", head[:4])[0])):
            units, header_size = found
            header = stream.peek(24)
            interface = Interface(link=-1, units_per_second=units)
            out = Reader("pcap" if units == 1_000_000 else "pcap (nanoseconds)", stream, iter(()), [interface])
            if len(header) < 24:
                out.cut = True
                out.notes.append("cut short inside the file header")
                return out
            stream.skip(24)
            snaplen, network = struct.unpack(endian + "II", header[16:24])
            interface.snaplen = snaplen
            interface.link = network & 0xFFFF  # the upper bits hold the length of a frame check sequence
            out.windows = _windows(out, stream, endian, header_size)
            return out
    return None


class _Records(NamedTuple):
    """Whole records, one behind the other: up to `next`, where `damaged` says that no record can be."""

    start: Ints
    ts_ns: Ints
    caplen: Ints
    origlen: Ints
    next: int
    damaged: bool = False
    more: bool = False  # whole records follow


def _windows(out: Reader, stream: ByteStream, endian: str, header_size: int) -> Iterator[Window]:
    interface = out.interfaces[0]
    per_unit = 1_000_000_000 // interface.units_per_second
    walk = _walk if native.library() is None else _compiled_walk
    damaged = False
    while not damaged and (stream.need(header_size) or stream.hi > stream.lo):
        found = walk(stream, endian, header_size, per_unit)
        stream.lo, damaged = found.next, found.damaged
        count = len(found.start)
        if count:
            yield Window(
                buffer=stream.buffer,
                number=np.arange(out.frames + 1, out.frames + count + 1),
                ts_ns=found.ts_ns,
                start=found.start,
                at=found.start + stream.base,
                caplen=found.caplen,
                origlen=found.origlen,
                interface=constant(0, np.int64, count),
                link=constant(interface.link, np.int64, count),
            )
            out.frames += count
        if damaged:
            (claim,) = struct.unpack_from(endian + "I", stream.view, stream.lo + 8)
            out.notes.append(f"damaged after frame {out.frames}: the next record claims {claim} bytes")
        elif not found.more and not stream.fill():
            break
    if not damaged and stream.hi > stream.lo:
        out.cut = True
        out.notes.append(f"cut short in the middle of frame {out.frames + 1}")


def _walk(stream: ByteStream, endian: str, header_size: int, per_unit: int) -> _Records:
    """All records in the stream's buffer."""
    length_at = struct.Struct(endian + "I").unpack_from
    header = np.dtype([("sec", endian + "u4"), ("sub", endian + "u4"), ("cap", endian + "u4"), ("orig", endian + "u4")])
    lengths_at: list[int] = []
    add = lengths_at.append
    view, at = stream.view, stream.lo + 8
    last = stream.hi - header_size + 8
    while at <= last:  # the only loop over every record: what else there is to check is checked below
        add(at)
        (length,) = length_at(view, at)
        at += length + header_size
    record = np.array(lengths_at, np.int64) - 8
    head = np.ndarray((len(stream.buffer) - 16,), "V16", stream.view, strides=(1,))[record].view(header)
    long = np.flatnonzero(head["cap"] > MAX_FRAME)
    damaged = len(long) > 0
    count = int(long[0]) if damaged else len(record) - (at - 8 > stream.hi)  # the last may not be there whole
    following = int(record[count]) if count < len(record) else at - 8
    record, head = record[:count], head[:count]
    return _Records(
        start=record + header_size,
        ts_ns=head["sec"].astype(np.int64) * 1_000_000_000 + head["sub"].astype(np.int64) * per_unit,
        caplen=head["cap"].astype(np.int64),
        origlen=head["orig"].astype(np.int64),
        next=following,
        damaged=damaged,
    )


def _compiled_walk(stream: ByteStream, endian: str, header_size: int, per_unit: int) -> _Records:
    """The same from native.c, as many records at once as a window's pieces have."""
    library = native.library()
    assert library is not None
    room = min(MANY_FRAMES, (stream.hi - stream.lo) // header_size + 1)
    columns = [np.empty(room, np.int64) for _ in range(4)]
    into, ended = native.struct(columns), np.zeros(2, np.int64)
    count = library.pcap(
        native.address(stream.buffer), stream.lo, stream.hi, header_size, endian == ">", per_unit, MAX_FRAME, room,
        native.address(into), native.address(ended), native.address(ended) + 8,
    )  # fmt: skip
    following, why = ended.tolist()
    start, ts_ns, caplen, origlen = (column[:count] for column in columns)
    return _Records(start, ts_ns, caplen, origlen, following, damaged=why == 1, more=why == 2)
