"""Classic pcap: both byte orders, microseconds and nanoseconds, and Kuznetzov's modified record header.

Source: draft-ietf-opsawg-pcap; wiretap/libpcap.c for the modified variant (24-byte record headers).
"""

import struct
from collections.abc import Iterator

import numpy as np

from captures.formats.stream import ByteStream
from captures.formats.window import MAX_FRAME, Interface, Reader, Window, constant

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


def _windows(out: Reader, stream: ByteStream, endian: str, header_size: int) -> Iterator[Window]:
    interface = out.interfaces[0]
    length_at = struct.Struct(endian + "I").unpack_from
    header = np.dtype([("sec", endian + "u4"), ("sub", endian + "u4"), ("cap", endian + "u4"), ("orig", endian + "u4")])
    per_unit = 1_000_000_000 // interface.units_per_second
    damaged = False
    while not damaged and (stream.need(header_size) or stream.hi > stream.lo):
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
        stream.lo = int(record[count]) if count < len(record) else at - 8
        if count:
            record, head = record[:count], head[:count]
            yield Window(
                buffer=stream.buffer,
                number=np.arange(out.frames + 1, out.frames + count + 1),
                ts_ns=head["sec"].astype(np.int64) * 1_000_000_000 + head["sub"].astype(np.int64) * per_unit,
                start=record + header_size,
                at=record + (header_size + stream.base),
                caplen=head["cap"].astype(np.int64),
                origlen=head["orig"].astype(np.int64),
                interface=constant(0, np.int64, count),
                link=constant(interface.link, np.int64, count),
            )
            out.frames += count
        if damaged:
            (claim,) = length_at(view, stream.lo + 8)
            out.notes.append(f"damaged after frame {out.frames}: the next record claims {claim} bytes")
        elif not stream.fill():
            break
    if not damaged and stream.hi > stream.lo:
        out.cut = True
        out.notes.append(f"cut short in the middle of frame {out.frames + 1}")
