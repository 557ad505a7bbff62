"""pcapng: sections, interfaces, packet blocks of all three kinds; names, statistics and comments; the rest walked past.

Source: draft-ietf-opsawg-pcapng. Frames are numbered as Wireshark does, which counts custom and journal blocks too
(wiretap/pcapng.c; seen with tshark 4.0.17).
"""

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from captures import native
from captures.formats.stream import CARRY_BYTES, WINDOW_BYTES, ByteStream
from captures.formats.window import MAX_FRAME, Interface, Ints, Reader, Window

SECTION, INTERFACE, OBSOLETE, SIMPLE, NAMES, STATISTICS, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 4, 5, 6
_COUNTED_BY_WIRESHARK = {9, 0x0BAD, 0x40000BAD}  # systemd journal and custom blocks
_BYTE_ORDER = 0x1A2B3C4D


def reader(head: bytes, stream: ByteStream) -> Reader | None:
    """A reader when `head` starts a section header block, else None."""
    if head[:4] != b"\n\r\r\n":
        return None
    out = Reader("pcapng", stream, iter(()))
    out.windows = _Walk(out, stream).windows()
    return out


@dataclass(slots=True)
class _Batch:
    """Packet blocks of one window and one section, before their headers are read."""

    enhanced: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    runs: list[Ints] = field(default_factory=list)  # more enhanced ones, and the numbers of their frames
    run_numbers: list[Ints] = field(default_factory=list)
    simple: list[tuple[int, int, int, int]] = field(default_factory=list)  # start, captured, original length, number

    def __bool__(self) -> bool:
        return bool(self.enhanced or self.runs or self.simple)

    def blocks(self) -> tuple[Ints, Ints]:
        """Where the enhanced and obsolete blocks begin, and the numbers of their frames, in file order."""
        if not self.runs:
            return np.array(self.enhanced, np.int64), np.array(self.numbers, np.int64)
        if len(self.runs) == 1 and not self.enhanced:
            return self.runs[0], self.run_numbers[0]
        starts = np.concatenate([np.array(self.enhanced, np.int64), *self.runs])
        return np.sort(starts), np.sort(np.concatenate([np.array(self.numbers, np.int64), *self.run_numbers]))


class _Walk:
    def __init__(self, out: Reader, stream: ByteStream) -> None:
        self.out = out
        self.stream = stream
        self.endian = "<"
        self.first_interface = 0  # of this section, in out.interfaces
        self.counter = 0
        self.last_ts = 0
        self.stop = False
        self.library = native.library()
        self.starts = np.empty((CARRY_BYTES + WINDOW_BYTES) // 32 if self.library else 0, np.int64)
        self.again = (
            False  # collect once more before reading on: a large block stands behind the packets just collected
        )

    def windows(self) -> Iterator[Window]:
        stream = self.stream
        while not self.stop and (stream.need(12) or stream.hi > stream.lo):
            batch = _Batch()
            more = self._collect(batch)
            if batch:
                window = self._window(batch)
                if len(window):
                    self.out.frames += len(window)
                    yield window
            if not more and not stream.fill():
                break
        if not self.stop and stream.hi > stream.lo:
            self.out.cut = True
            self.out.notes.append(f"cut short in the middle of a block, after frame {self.counter}")

    def _collect(self, batch: _Batch) -> bool:
        """Walk the buffered blocks of one section; True when there is more to do before new bytes are read."""
        self.again = False
        stream = self.stream
        view, end = stream.view, stream.hi
        head = struct.Struct(self.endian + "II").unpack_from
        at = stream.lo
        add_block, add_number = batch.enhanced.append, batch.numbers.append
        counter = self.counter
        while at + 12 <= end:
            kind, length = head(view, at)
            if kind == ENHANCED and self.library is not None:
                count, following = self._run(self.library, at, end)
                if count:
                    batch.runs.append(self.starts[:count].copy())
                    batch.run_numbers.append(np.arange(counter + 1, counter + count + 1))
                    counter += count
                    at = following
                    continue
            elif kind == ENHANCED and 32 <= length <= end - at and not length & 3:
                counter += 1
                add_block(at)
                add_number(counter)
                at += length
                continue
            self.counter = counter
            stream.lo = at
            if kind == SECTION:
                if batch:
                    return True
                if not self._section(at, end):
                    return False
                head = struct.Struct(self.endian + "II").unpack_from
            elif not self._other(kind, length, at, end, batch):
                return self.again
            counter = self.counter
            at = stream.lo
            if stream.hi != end:
                return False
        self.counter = counter
        stream.lo = at
        return False

    def _run(self, library: native.Library, at: int, end: int) -> tuple[int, int]:
        """How many whole enhanced packet blocks follow each other from here on, and where the last of them ends."""
        following = np.zeros(1, np.int64)
        count = library.pcapng(
            native.address(self.stream.buffer), at, end, self.endian == ">", ENHANCED, 32, len(self.starts),
            native.address(self.starts), native.address(following),
        )  # fmt: skip
        return count, int(following[0])

    def _damage(self, why: str) -> bool:
        self.stop = True
        self.out.notes.append(f"damaged after frame {self.counter}: {why}")
        return False

    def _section(self, at: int, end: int) -> bool:
        view = self.stream.view
        for endian in "<>":
            (order,) = struct.unpack_from(endian + "I", view, at + 8)
            if order == _BYTE_ORDER:
                break
        else:
            return self._damage("a section header without byte-order magic")
        (length,) = struct.unpack_from(endian + "I", view, at + 4)
        if length < 28 or length % 4 or length > CARRY_BYTES:
            return self._damage(f"a section header block of {length} bytes")
        if at + length > end:
            return False
        self.endian = endian
        self.first_interface = len(self.out.interfaces)
        self.out.comments += [_text(value) for code, value in self._options(at + 24, at + length - 4) if code == 1]
        self.stream.lo = at + length
        return True

    def _other(self, kind: int, length: int, at: int, end: int, batch: _Batch) -> bool:
        """Any block but a section header or a whole enhanced packet; False when more bytes (or nothing) should come."""
        stream = self.stream
        if length < 12 or length % 4:
            return self._damage(f"a block of type {kind} claims {length} bytes")
        if at + length > end:
            if length <= CARRY_BYTES:
                return False
            if kind in (ENHANCED, OBSOLETE, SIMPLE):
                return self._damage(f"a packet block claims {length} bytes")
            if batch:
                self.again = True
                return False
            if stream.skip(length):
                self.counter += kind in _COUNTED_BY_WIRESHARK
            else:
                self.out.cut = self.stop = True
                self.out.notes.append(f"cut short in the middle of a block, after frame {self.counter}")
            self.again = not self.stop
            return False
        body, stop = at + 8, at + length - 4
        if kind == ENHANCED:
            return self._damage(f"a packet block of {length} bytes is too short")
        if kind in (SIMPLE, OBSOLETE):
            if length < (16 if kind == SIMPLE else 32):
                return self._damage(f"a packet block of {length} bytes is too short")
            self.counter += 1
            if kind == SIMPLE:
                (original,) = struct.unpack_from(self.endian + "I", stream.view, body)
                interfaces = self.out.interfaces[self.first_interface :]
                captured = min(original, (interfaces[0].snaplen if interfaces else 0) or original, stop - body - 4)
                if not interfaces or captured > MAX_FRAME or self._trailer(stop) != length:
                    self.counter -= 1
                    return self._damage("a simple packet block without interface, or with wrong lengths")
                batch.simple.append((body + 4, captured, original, self.counter))
            else:
                batch.enhanced.append(at)
                batch.numbers.append(self.counter)
        elif kind == INTERFACE and length >= 20:
            self._interface(body, stop)
        elif kind == NAMES:
            self._names(body, stop)
        elif kind == STATISTICS and length >= 24:
            self._statistics(body, stop)
        elif kind in _COUNTED_BY_WIRESHARK:
            self.counter += 1
        stream.lo = at + length
        return True

    def _trailer(self, at: int) -> int:
        (length,) = struct.unpack_from(self.endian + "I", self.stream.view, at)
        return int(length)

    def _options(self, at: int, stop: int) -> Iterator[tuple[int, bytes]]:
        view = self.stream.view
        while at + 4 <= stop:
            code, size = struct.unpack_from(self.endian + "HH", view, at)
            if code == 0 or at + 4 + size > stop:
                return
            yield code, bytes(view[at + 4 : at + 4 + size])
            at += 4 + size + (-size) % 4

    def _interface(self, body: int, stop: int) -> None:
        link, _, snaplen = struct.unpack_from(self.endian + "HHI", self.stream.view, body)
        interface = Interface(link=link, snaplen=snaplen)
        for code, value in self._options(body + 8, stop):
            if code == 2:
                interface.name = _text(value)
            elif code == 9 and value:
                base, power = (2, value[0] & 0x7F) if value[0] & 0x80 else (10, value[0])
                interface.units_per_second = base**power
            elif code == 14 and len(value) == 8:
                (interface.offset_s,) = struct.unpack(self.endian + "q", value)
        self.out.interfaces.append(interface)

    def _statistics(self, body: int, stop: int) -> None:
        index, high, low = struct.unpack_from(self.endian + "III", self.stream.view, body)
        if self.first_interface + index >= len(self.out.interfaces):
            return
        interface = self.out.interfaces[self.first_interface + index]
        interface.counted_ns = int(nanoseconds(np.array([high << 32 | low], np.uint64), interface)[0])
        for code, value in self._options(body + 12, stop):
            if code == 5 and len(value) == 8:
                (interface.dropped,) = struct.unpack(self.endian + "Q", value)
            elif code == 8 and len(value) == 8:
                (interface.delivered,) = struct.unpack(self.endian + "Q", value)

    def _names(self, at: int, stop: int) -> None:
        while at + 4 <= stop:
            kind, size = struct.unpack_from(self.endian + "HH", self.stream.view, at)
            if kind == 0 or at + 4 + size > stop:
                return
            value = bytes(self.stream.view[at + 4 : at + 4 + size])
            width = {1: 4, 2: 16}.get(kind)
            if width and len(value) > width:
                address = str(ipaddress.ip_address(value[:width]))
                self.out.names.setdefault(address, _text(value[width:].split(b"\0")[0]))
            at += 4 + size + (-size) % 4

    def _window(self, batch: _Batch) -> Window:
        """The batch as columns, in file order; interfaces of one section share byte order and numbering."""
        buffer, endian, first = self.stream.buffer, self.endian, self.first_interface
        words = np.ndarray((len(buffer) - 64,), endian + "u4", self.stream.view, strides=(1,))
        block, numbers = batch.blocks()

        def field32(offset: int) -> Ints:
            return words[block + offset].astype(np.int64)

        obsolete = field32(0) == OBSOLETE
        interface = np.where(obsolete, _high16(field32(8), endian), field32(8)) + first
        ticks = (field32(12).astype(np.uint64) << np.uint64(32)) | field32(16).astype(np.uint64)
        start, caplen, origlen, length = block + 28, field32(20), field32(24), field32(4)
        unknown = interface >= len(self.out.interfaces)
        bad = unknown | (caplen > np.minimum(length - 32, MAX_FRAME)) | (words[block + length - 4] != length)
        if bad.any():
            keep = int(np.argmax(bad))
            self.counter = int(numbers[keep]) - 1
            self._damage("a packet block " + ("of an undescribed interface" if unknown[keep] else "with wrong lengths"))
            start, caplen, origlen, interface = start[:keep], caplen[:keep], origlen[:keep], interface[:keep]
            ticks, numbers = ticks[:keep], numbers[:keep]
            batch.simple = [entry for entry in batch.simple if entry[3] <= self.counter]
        ts_ns = np.zeros(len(start), np.int64)
        for index in np.flatnonzero(np.bincount(interface)):  # np.unique would import numpy.ma
            mine = interface == index
            ts_ns[mine] = nanoseconds(ticks[mine], self.out.interfaces[index])
        if batch.simple:
            extra = np.array(batch.simple, np.int64).reshape(-1, 4)
            start, caplen, origlen = (np.concatenate([a, extra[:, i]]) for i, a in enumerate((start, caplen, origlen)))
            numbers = np.concatenate([numbers, extra[:, 3]])
            interface = np.concatenate([interface, np.full(len(extra), first)])
            timed = np.concatenate([np.ones(len(ts_ns), np.bool_), np.zeros(len(extra), np.bool_)])
            ts_ns = np.concatenate([ts_ns, np.zeros(len(extra), np.int64)])
            order = np.argsort(numbers, kind="stable")
            start, caplen, origlen, numbers = start[order], caplen[order], origlen[order], numbers[order]
            interface, ts_ns = interface[order], _carry_time(ts_ns[order], timed[order], self.last_ts)
        if len(ts_ns):
            self.last_ts = int(ts_ns[-1])
        links = np.array([i.link for i in self.out.interfaces] or [-1], np.int64)
        known = np.minimum(interface, len(links) - 1)
        return Window(
            buffer=buffer,
            number=numbers,
            ts_ns=ts_ns,
            start=start,
            at=start + self.stream.base,
            caplen=caplen,
            origlen=origlen,
            interface=interface,
            link=np.where(interface < len(self.out.interfaces), links[known], -1),
        )


def _carry_time(ts_ns: Ints, timed: Any, before: int) -> Ints:
    """Simple packet blocks bear no time: they take that of the frame before them."""
    known = np.flatnonzero(timed)
    last = np.searchsorted(known, np.arange(len(ts_ns)), side="right") - 1
    return np.where(last < 0, before, ts_ns[known[np.maximum(last, 0)]] if len(known) else before)


def _high16(word: Ints, endian: str) -> Ints:
    """The 16-bit field that comes first in a 32-bit word (the interface of an obsolete packet block)."""
    return word & 0xFFFF if endian == "<" else word >> 16


def nanoseconds(ticks: np.ndarray[Any, np.dtype[np.uint64]], interface: Interface) -> Ints:
    """Block timestamps in nanoseconds since the epoch, exact wherever the clock's unit allows it."""
    units, billion = interface.units_per_second, 1_000_000_000
    offset = max(-(1 << 33), min(1 << 33, interface.offset_s)) * billion
    with np.errstate(over="ignore"):
        if billion % units == 0:
            value = ticks * np.uint64(billion // units)
        elif units % billion == 0 and units // billion < 1 << 64:
            value = ticks // np.uint64(units // billion)
        elif units <= 1 << 34:  # then the product below stays inside 64 bits
            seconds, rest = np.divmod(ticks, np.uint64(units))
            value = seconds * np.uint64(billion) + rest * np.uint64(billion) // np.uint64(units)
        else:
            exact = [tick * billion // units & 0xFFFFFFFFFFFFFFFF for tick in ticks.tolist()]
            value = np.array(exact, np.uint64)
        return value.astype(np.int64) + np.int64(offset)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")
